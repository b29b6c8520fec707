#!/bin/sh
# Runs every fuzz target of a build for an equal share of the given time.
#
#   tests/fuzz/run.sh SECONDS_TOTAL [BUILD_DIR]     BUILD_DIR defaults to build/fuzz
#
# Starts from the seeds in tests/fuzz/corpus/<name> with the words of tests/fuzz/dict/<name>.dict.
# What it learns is kept in BUILD_DIR/corpus/<name>; what it finds lies in tests/fuzz/findings.
# Exit 0: no finding. Exit 1: findings, each named. Exit 2: nothing could be run.
set -u

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
total=${1:-}
build=${2:-$here/../../build/fuzz}
findings=$here/findings

case $total in
'' | *[!0-9]*)
    echo "usage: $0 SECONDS_TOTAL [BUILD_DIR]" >&2
    exit 2
    ;;
esac

count=0
for target in "$build"/tests/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] && count=$((count + 1))
done
if [ "$count" -eq 0 ]; then
    echo "no fuzz targets in $build/tests/fuzz (cmake --preset fuzz && cmake --build --preset fuzz)" >&2
    exit 2
fi

share=$((total / count))
[ "$share" -gt 0 ] || share=1
mkdir -p "$findings"
failed=''
echo "$count targets, $share s each"

for target in "$build"/tests/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    learned=$build/corpus/$name
    log=$build/corpus/$name.log
    mkdir -p "$learned"
    set -- "$learned"
    [ -d "$here/corpus/$name" ] && set -- "$@" "$here/corpus/$name"
    [ -f "$here/dict/$name.dict" ] && set -- "-dict=$here/dict/$name.dict" "$@"
    if "$target" -max_total_time="$share" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$findings/$name-" "$@" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
        echo "ok      $name: ${runs:-?} runs, ${edges:-?} edges"
    else
        echo "FINDING $name:"
        grep -E 'ERROR|SUMMARY|Test unit written|assert|runtime error' "$log" | head -n 20
        tail -n 5 "$log"
        failed="$failed $name"
    fi
done

rmdir "$findings" 2>/dev/null # only if nothing is in it
if [ -n "$failed" ]; then
    echo "findings in:$failed (inputs in $findings)"
    exit 1
fi
echo "no findings"
