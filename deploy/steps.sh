# Sourced by deploy/quickstart.sh and tests/run.sh: numbered steps with visible progress, logs that
# stay, and the installation of Debian packages. Needs bash.
#
# The caller sets steps_total and log_dir, then:
#   step NAME COMMAND...    runs COMMAND with its output in $log_dir/NN-NAME.log; returns its status
#   install_packages SECTION...   makes sure that these sections of packages.txt are installed

steps_done=0
steps_pid=
steps_log=
steps_seconds=0

# Ends the step under way with all of its children.
steps_stop()
{
    [ -n "$steps_pid" ] || return 0
    kill -TERM -- "-$steps_pid" 2>/dev/null
    wait "$steps_pid" 2>/dev/null
    steps_pid=
}

steps_last_line()
{
    tail -c 600 "$steps_log" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 |
        tr -cd '[:print:]' | cut -c "1-$1"
}

# On a terminal one line is redrawn; elsewhere a line every 30 s says that it is still going on.
steps_watch()
{
    local title=$1 began=$2 told=$2 columns=80
    if [ -t 1 ]; then
        columns=$(stty size 2>/dev/null | cut -d' ' -f2)
        [ "${columns:-0}" -ge 40 ] || columns=80
    fi
    while kill -0 "$steps_pid" 2>/dev/null; do
        if [ -t 1 ]; then
            printf '\r\033[K%s %4ds  %s' "$title" $((SECONDS - began)) \
                "$(steps_last_line $((columns - 40)))"
        elif [ $((SECONDS - told)) -ge 30 ]; then
            told=$SECONDS
            printf '      ... %ds: %s\n' $((SECONDS - began)) "$(steps_last_line 90)"
        fi
        sleep 0.5
    done
}

step()
{
    local name=$1 began=$SECONDS status title
    shift
    steps_done=$((steps_done + 1))
    mkdir -p "$log_dir"
    steps_log=$log_dir/$(printf '%02d' "$steps_done")-$name.log
    title=$(printf '[%2d/%d] %-12s' "$steps_done" "$steps_total" "$name")
    [ -t 1 ] || printf '%s ...\n' "$title"
    set -m # a process group of its own, so that all of it can be ended at once
    "$@" >"$steps_log" 2>&1 </dev/null &
    steps_pid=$!
    set +m
    steps_watch "$title" "$began"
    wait "$steps_pid"
    status=$?
    steps_pid=
    steps_seconds=$((SECONDS - began))
    [ -t 1 ] && printf '\r\033[K'
    if [ "$status" -eq 0 ]; then
        printf '%s ok      %4d s\n' "$title" "$steps_seconds"
    else
        printf '%s FAILED  %4d s  (exit %d)\n' "$title" "$steps_seconds" "$status"
    fi
    return "$status"
}

# The end of a step's log, indented.
steps_tail()
{
    echo "      the end of $steps_log:"
    tail -n "${1:-20}" "$steps_log" | cut -c1-200 | sed 's/^/      | /'
}

packages_of() # SECTION...
{
    local section line wanted=
    for section in "$@"; do
        while read -r line; do
            case $line in
            '' | '#'*) ;;
            '['*) wanted=$([ "$line" = "[$section]" ] && echo yes) ;;
            *) [ -z "$wanted" ] || echo "$line" ;;
            esac
        done <"$repository/deploy/packages.txt"
    done
}

packages_missing() # SECTION...
{
    local package
    for package in $(packages_of "$@"); do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *' installed') ;;
        *) echo "$package" ;;
        esac
    done
}

packages_install() # PACKAGE...; the body of the step
{
    local root=
    [ "$(id -u)" -eq 0 ] || root='sudo -n'
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # $root is a command and its flag, or nothing
    $root apt-get -o Acquire::Retries=2 update &&
        $root apt-get -o Acquire::Retries=2 -o DPkg::Lock::Timeout=300 install -y \
            --no-install-recommends "$@"
}

packages_explain()
{
    if grep -qE 'Temporary failure resolving|Could not resolve|Could not connect|Network is unreachable|Connection (timed out|refused)|Unable to connect' "$steps_log"; then
        echo "No network: apt cannot reach the Debian mirror. Nothing else is downloaded;" \
            "with the packages installed this works offline."
    elif grep -q 'Unable to locate package' "$steps_log"; then
        echo "apt does not know a package. This needs Debian 12 (bookworm) with component main."
    elif grep -q 'No space left' "$steps_log"; then
        echo "The disk is full."
    else
        echo "apt-get failed."
    fi
}

install_packages() # SECTION...
{
    local missing
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "This needs Debian 12 (apt-get was not found)."
        return 1
    fi
    missing=$(packages_missing "$@" | tr '\n' ' ')
    if [ -z "$missing" ]; then
        step packages true
        return 0
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Installing packages needs root, and there is no sudo. As root:"
            echo "    apt-get install --no-install-recommends $missing"
            return 1
        fi
        echo "Packages to install: $missing"
        if ! sudo -v; then
            echo "Without root they cannot be installed. As root:"
            echo "    apt-get install --no-install-recommends $missing"
            return 1
        fi
    fi
    export -f packages_install
    # shellcheck disable=SC2086 # a list of words
    if ! step packages bash -c 'packages_install "$@"' packages_install $missing; then
        steps_tail 15
        packages_explain
        return 1
    fi
}
