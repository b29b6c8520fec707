#!/bin/sh
# Leaves OUT_DIR/subscriber and OUT_DIR/publisher: wrappers around the programs of this folder.
#
# Usage: build.sh OUT_DIR
# Takes an interpreter that has grpcio and grpcio-tools (on Debian: python3-grpcio and
# python3-grpc-tools). Without one, makes a virtual environment with the versions of requirements.txt.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: build.sh OUT_DIR}"
out=$(cd "$1" && pwd)

suits()
{
    "$1" -c 'import grpc.aio, grpc_tools, google.protobuf' 2>/dev/null
}

python=
for candidate in python3 /usr/bin/python3 "$out/venv/bin/python3"; do
    if suits "$candidate"; then
        python=$(command -v "$candidate")
        break
    fi
done
if [ -z "$python" ]; then
    if ! python3 -m venv "$out/venv" >/dev/null; then
        echo "python: neither grpcio and grpcio-tools nor python3 -m venv" >&2
        exit 77
    fi
    python=$out/venv/bin/python3
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r "$here/requirements.txt"
fi

PYTHONPATH=$here "$python" -B -c 'import gushproto; gushproto.load()'
for program in subscriber publisher; do
    printf '#!/bin/sh\nexec "%s" -B "%s/%s.py" "$@"\n' "$python" "$here" "$program" >"$out/$program"
    chmod +x "$out/$program"
done
