#!/bin/sh
# Leaves OUT_DIR/subscriber and OUT_DIR/publisher.
#
# Usage: build.sh OUT_DIR
# The libraries are the system's: on Debian libgrpc-dev, libprotobuf-c-dev, protobuf-c-compiler.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for tool in cc cmake pkg-config protoc-c; do
    if ! command -v "$tool" >/dev/null; then
        echo "c: $tool is missing" >&2
        exit 77
    fi
done
if ! pkg-config --exists grpc gpr libprotobuf-c; then
    echo "c: grpc, gpr or libprotobuf-c is missing" >&2
    exit 77
fi
mkdir -p "${1:?usage: build.sh OUT_DIR}"
out=$(cd "$1" && pwd)
if [ ! -f "$out/build/CMakeCache.txt" ] && command -v ninja >/dev/null; then
    set -- -G Ninja
else
    set --
fi
cmake -S "$here" -B "$out/build" -DCMAKE_BUILD_TYPE=Release "$@"
cmake --build "$out/build"
for program in subscriber publisher; do
    ln -sf "build/$program" "$out/$program"
done
