#include "server/net/unix.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/net/net_priv.h"

static gush_err fail(const char *path, gush_err err, const char *what, char *message,
                     size_t message_n)
{
    snprintf(message, message_n, "cannot listen on unix socket %.120s: %s", path, what);
    return err;
}

/* Whether the socket file |to| names has nobody behind it. */
static bool is_stale(const struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool stale;

    if (fd < 0)
        return false;
    /* A full backlog would be EAGAIN: somebody is there. */
    stale = connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Makes room for a new file, if that does no harm. */
static gush_err clear_way(const struct sockaddr_un *to, const char **what)
{
    struct stat st;

    if (lstat(to->sun_path, &st) != 0)
        return GUSH_OK; /* most likely nothing is there; else bind says what is wrong */
    *what = "there is a file of another kind";
    if (!S_ISSOCK(st.st_mode))
        return GUSH_EIO;
    *what = "already in use by another process";
    if (!is_stale(to))
        return GUSH_EBUSY;
    (void)unlink(to->sun_path); /* if that fails, bind does */
    return GUSH_OK;
}

gush_err gush_unix_listen(const char *path, mode_t mode, int *out, char *message, size_t message_n)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *what = NULL;
    gush_err err;
    int fd;

    if (path[0] == '\0' || strlen(path) >= sizeof(to.sun_path))
        return fail(path, GUSH_EIO, "a path has 1 to 107 bytes", message, message_n);
    memcpy(to.sun_path, path, strlen(path) + 1);
    err = clear_way(&to, &what);
    if (err != GUSH_OK)
        return fail(path, err, what, message, message_n);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(path, GUSH_EIO, strerror(errno), message, message_n);
    if (bind(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        int why = errno;
        close(fd);
        return fail(path, why == EADDRINUSE ? GUSH_EBUSY : GUSH_EIO, strerror(why), message,
                    message_n);
    }
    /* Nobody can connect between these two. */
    if (chmod(path, mode) != 0 || listen(fd, GUSH__UNIX_BACKLOG) != 0) {
        int why = errno;
        (void)unlink(path);
        close(fd);
        return fail(path, GUSH_EIO, strerror(why), message, message_n);
    }
    *out = fd;
    return GUSH_OK;
}

/* ---- the file of a listening descriptor -------------------------------------------------------
 */

/* The path |fd| is bound to. False: it is no unix socket, or one without a path. */
static bool path_of(int fd, struct sockaddr_un *out)
{
    socklen_t n = sizeof(*out);

    memset(out, 0, sizeof(*out));
    /* A path of full length has no NUL of its own; ours are shorter. */
    return getsockname(fd, (struct sockaddr *)out, &n) == 0 && out->sun_family == AF_UNIX &&
           out->sun_path[0] != '\0' && out->sun_path[sizeof(out->sun_path) - 1] == '\0';
}

struct gush__unix_file gush__unix_file_of(int fd)
{
    struct gush__unix_file file = {0};
    struct sockaddr_un at;
    struct stat st;

    if (path_of(fd, &at) && lstat(at.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        file = (struct gush__unix_file){true, st.st_dev, st.st_ino};
    return file;
}

void gush__unix_remove(int fd, const struct gush__unix_file *file)
{
    struct gush__unix_file now;
    struct sockaddr_un at;

    if (!file->known || !path_of(fd, &at))
        return;
    now = gush__unix_file_of(fd);
    if (now.known && now.device == file->device && now.inode == file->inode)
        (void)unlink(at.sun_path);
}
