#!/bin/sh
# Leaves OUT_DIR/subscriber and OUT_DIR/publisher: wrappers around a copy of this folder, with the
# modules of package-lock.json and the schemas, which are read at run time.
#
# Usage: build.sh OUT_DIR
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "node: $tool is missing" >&2
        exit 77
    fi
done
if ! node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)'; then
    echo "node: $(node --version) is too old, 18 is needed" >&2
    exit 77
fi
mkdir -p "${1:?usage: build.sh OUT_DIR}/app/proto"
out=$(cd "$1" && pwd)
app=$out/app
# npm is slow even when it has nothing to do; the hidden lock file is the last thing it writes.
if [ ! -f "$app/node_modules/.package-lock.json" ] ||
    ! cmp -s "$here/package-lock.json" "$app/package-lock.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$app"
    (cd "$app" && npm ci --ignore-scripts --no-audit --no-fund)
fi
cp "$here"/*.js "$app"
cp "$here/../../proto/api.proto" "$here/../../proto/unistream.proto" "$here/../health.proto" "$app/proto"
for program in subscriber publisher; do
    printf '#!/bin/sh\nexec node "%s/%s.js" "$@"\n' "$app" "$program" >"$out/$program"
    chmod +x "$out/$program"
done
