#!/bin/sh
# Builds OUT_DIR/subscriber and OUT_DIR/publisher; exit 77: no toolchain.
set -eu
out=$(mkdir -p "${1:?usage: build.sh OUT_DIR}" && cd "$1" && pwd)
cd "$(dirname "$0")"

missing()
{
    echo "Rust example: $*" >&2
    exit 77
}
command -v protoc >/dev/null || missing "protoc is missing (package protobuf-compiler)"
command -v cc >/dev/null || missing "a C compiler is missing (package gcc)"
version=$(cargo --version 2>/dev/null) || missing "cargo is missing (Rust 1.85 or newer)"
minor=$(echo "$version" | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
[ "${minor:-0}" -ge 85 ] || missing "$version is too old (Rust 1.85 or newer)"

cargo build --quiet --locked --bins --target-dir "$out/target"
ln -sf target/debug/subscriber target/debug/publisher "$out/"
