#!/bin/sh
# Leaves OUT_DIR/subscriber and OUT_DIR/publisher.
#
# Usage: build.sh OUT_DIR
# Cargo generates from proto/ and compiles under OUT_DIR/target; crates have the versions of
# Cargo.lock.
set -eu
missing()
{
    echo "rust: $*" >&2
    exit 77
}
for tool in cargo protoc cc; do
    command -v "$tool" >/dev/null || missing "$tool is missing"
done
version=$(cargo --version)
minor=$(echo "$version" | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
[ "${minor:-0}" -ge 85 ] || missing "Rust 1.85 or newer is needed, this is $version"
mkdir -p "${1:?usage: build.sh OUT_DIR}"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
cargo build --quiet --locked --bins --target-dir "$out/target"
ln -sf target/debug/subscriber target/debug/publisher "$out/"
