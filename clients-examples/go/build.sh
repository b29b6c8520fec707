#!/bin/sh
# Leaves OUT_DIR/subscriber and OUT_DIR/publisher.
#
# Usage: build.sh OUT_DIR
# Generates from proto/ in a copy of this folder, OUT_DIR/src; plugins and libraries have the versions
# of go.mod.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
proto=$here/../../proto
for tool in go protoc; do
    if ! command -v "$tool" >/dev/null; then
        echo "go: $tool is missing" >&2
        exit 77
    fi
done
mkdir -p "${1:?usage: build.sh OUT_DIR}/src"
out=$(cd "$1" && pwd)
cp -R "$here/go.mod" "$here/go.sum" "$here/cmd" "$here/internal" "$out/src"
cd "$out/src"

export GOBIN="$out/tools" GOFLAGS="-mod=readonly ${GOFLAGS:-}"
go install tool
module=$(go list -m)
for schema in api unistream; do
    package=$module/internal/pb/$schema
    PATH="$GOBIN:$PATH" protoc -I "$proto" "$schema.proto" \
        --go_out=. --go_opt="module=$module,M$schema.proto=$package" \
        --go-grpc_out=. --go-grpc_opt="module=$module,M$schema.proto=$package"
done
go build -trimpath -o "$out/" ./cmd/...
