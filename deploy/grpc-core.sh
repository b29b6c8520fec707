#!/usr/bin/env bash
# A newer gRPC C core than Debian's, as one static library, for listeners that strangers can reach
# (docs/hostile-networks.md says why).
#
#   deploy/grpc-core.sh OUT_DIR
#   cmake --preset release -DGUSH_GRPC_CORE=OUT_DIR
#
# Takes the source archive of the Python package grpcio, which holds the C core and what it needs,
# checks it against the sum below, compiles the C core with the system's OpenSSL and zlib, and leaves
#
#   OUT_DIR/lib/libgrpc_core.a   OUT_DIR/include/grpc/...   OUT_DIR/VERSION
#
# About 40 minutes of one core and 2 GB of disk in OUT_DIR/work, which is removed at the end;
# stopped half way, it goes on where it was. It runs at low priority.
#
#   JOBS=2             compilers at a time (all cores otherwise)
#   ARCHIVE=FILE.tar.gz    the archive, where nothing can be downloaded
#   KEEP_WORK=1        do not remove OUT_DIR/work
set -euo pipefail

version=1.76.0
sum=7be78388d6da1a25c0d5ec506523db58b18be22d9c37d8d3a32c08be4987bd73

case ${1:-} in
'' | -*)
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
for tool in python3 ninja gcc g++ ar; do
    command -v "$tool" >/dev/null || {
        echo "grpc-core: $tool is missing (apt-get install python3 ninja-build g++)" >&2
        exit 1
    }
done
for header in openssl/ssl.h zlib.h; do
    echo "#include <$header>" | gcc -E -x c - >/dev/null 2>&1 || {
        echo "grpc-core: <$header> is missing (apt-get install libssl-dev zlib1g-dev)" >&2
        exit 1
    }
done

mkdir -p "$1/work"
out=$(cd "$1" && pwd)
work=$out/work
archive=${ARCHIVE:-$work/grpcio-$version.tar.gz}

# ---- the sources

if [ ! -f "$archive" ]; then
    # The package's own build script is run by pip to read its name, which takes a minute; pip checks
    # the sum before that.
    echo "grpcio==$version --hash=sha256:$sum" >"$work/wanted.txt"
    python3 -m pip download --quiet --require-hashes --no-deps --no-binary :all: \
        --dest "$work" -r "$work/wanted.txt"
fi
echo "$sum  $archive" | sha256sum --check --quiet
sources=$work/grpcio-$version
if [ ! -f "$sources/unpacked" ]; then
    tar -xzf "$archive" -C "$work"
    touch "$sources/unpacked"
fi

# ---- the library

python3 - "$sources" <<'PY'
import pathlib
import runpy
import sys

root = pathlib.Path(sys.argv[1])
listed = runpy.run_path(root / "src/python/grpcio/grpc_core_dependencies.py")["CORE_SOURCE_FILES"]
# OpenSSL and zlib are the system's, which has them patched. A server needs nothing of xDS and of
# balancing: a third of the files.
left_out = ("third_party/boringssl", "third_party/zlib", "src/core/xds/", "src/core/resolver/xds/",
            "src/core/load_balancing/xds/", "src/core/load_balancing/rls/",
            "src/core/load_balancing/ring_hash/", "src/core/load_balancing/outlier_detection/",
            "src/core/load_balancing/priority/", "src/core/load_balancing/weighted",
            "src/core/load_balancing/round_robin/",
            "src/core/ext/upbdefs-gen/envoy/", "src/core/ext/upb-gen/envoy/",
            "src/core/handshaker/http_connect/xds_", "src/core/resolver/google_c2p/",
            "src/core/server/xds_",
            "src/core/ext/filters/rbac/", "src/core/ext/filters/stateful_session/",
            "src/core/ext/filters/gcp_authentication/",
            "src/core/credentials/transport/xds/", "src/core/util/windows/",
            "src/core/lib/event_engine/windows/", "src/core/lib/event_engine/cf_engine/")
sources = [name for name in listed if not name.startswith(left_out)]
cares = "third_party/cares"
include = [
    ".", "include", "src/core/ext/upb-gen", "src/core/ext/upbdefs-gen",
    "third_party/abseil-cpp", "third_party/address_sorting/include", "third_party/re2",
    "third_party/upb", "third_party/utf8_range", "third_party/xxhash",
    cares, f"{cares}/config_linux", f"{cares}/cares", f"{cares}/cares/include",
    f"{cares}/cares/src/lib", f"{cares}/cares/src/lib/include"]
define = ["NDEBUG", "_GNU_SOURCE", "HAVE_CONFIG_H=1", "__STDC_FORMAT_MACROS", "OPENSSL_NO_ENGINE=1",
          "GRPC_NO_XDS", "GRPC_NO_RLS", "GRPC_MINIMAL_LB_POLICY",
          r'GRPC_XDS_USER_AGENT_NAME_SUFFIX=\"c\"', r'GRPC_XDS_USER_AGENT_VERSION_SUFFIX=\"1\"']
flags = ["-O2", "-g0", "-w", "-fPIC", "-ffunction-sections", "-fdata-sections",
         "-fstack-protector-strong",
         *(f"-D{name}" for name in define), *(f"-I{folder}" for folder in include)]
# Parsed once for all files of the C core: a third of the time.
common = ["algorithm", "atomic", "functional", "map", "memory", "optional", "set", "string", "tuple",
          "type_traits", "utility", "variant", "vector", "absl/container/flat_hash_map.h",
          "absl/container/inlined_vector.h", "absl/functional/any_invocable.h", "absl/log/check.h",
          "absl/log/log.h", "absl/status/statusor.h", "absl/strings/str_cat.h",
          "absl/strings/str_format.h", "src/core/lib/channel/promise_based_filter.h"]
(root / "common.h").write_text("".join(f"#include <{name}>\n" for name in common))
lines = [
    "flags = " + " ".join(flags),
    "rule cxx", "  command = g++ -std=c++17 $flags $with -c $in -o $out",
    "rule cc", "  command = gcc -std=gnu11 $flags -c $in -o $out",
    "rule common", "  command = g++ -std=c++17 $flags -x c++-header $in -o $out",
    "rule archive", "  command = rm -f $out && ar rcs $out @$out.files",
    "  rspfile = $out.files", "  rspfile_content = $in",
    "build common.h.gch: common common.h"]
objects = []
for name in sources:
    objects.append("objects/" + name.replace("/", "_") + ".o")
    if name.endswith(".c"):
        lines.append(f"build {objects[-1]}: cc {name}")
    elif name.startswith("src/core/"):
        lines += [f"build {objects[-1]}: cxx {name} | common.h.gch", "  with = -include common.h"]
    else:
        lines.append(f"build {objects[-1]}: cxx {name}")
lines.append("build libgrpc_core.a: archive " + " ".join(objects))
(root / "build.ninja").write_text("\n".join(lines) + "\n")
PY
nice -n 19 ninja -C "$sources" ${JOBS:+-j "$JOBS"} libgrpc_core.a

# ---- what is left of it

mkdir -p "$out/lib" "$out/include"
cp "$sources/libgrpc_core.a" "$out/lib/"
cp -r "$sources/include/grpc" "$out/include/"
cp "$sources/LICENSE" "$out/"
echo "$version" >"$out/VERSION"
[ -n "${KEEP_WORK:-}" ] || rm -rf "$work"
echo "grpc-core: $version is in $out"
