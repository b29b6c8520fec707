#!/usr/bin/env bash
# Measures Gush against the floor and, when CENTRIFUGO names a binary, against Centrifugo: the same
# load in turn, each server freshly started, and prints medians and ratios. See README.md here.
#
#   [CENTRIFUGO=/path] bench/compare.sh [ROUNDS]      about 4 minutes a round with Centrifugo
#   SECONDS_EACH=10    of measuring, for each run
#   MANY=10000         connections of the larger runs for memory
#
# Every run stays in build/bench/ as JSON. Exit 3 if anything was lost.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${1:-5}
load="--rate 20 --size 128 --duration ${SECONDS_EACH:-10}"
others=${CENTRIFUGO:+centrifugo}
failed=0

[ -x "${GUSH:-build/release/gush}" ] || {
    echo "compare.sh: build/release/gush is missing: cmake --preset release && cmake --build --preset release" >&2
    exit 1
}
ulimit -n "$(ulimit -Hn)"

run() # NAME SERVERS OPTIONS...
{
    local name=$1 servers=$2
    shift 2
    # shellcheck disable=SC2086 # $servers and $load are lists of words
    bench/run.py "$name" --rounds "$rounds" $servers -- $load "$@" || failed=3
}

run uni_sse "gush floor $others" --sse 1000
run uni_grpc "gush $others" --grpc 1000
# Memory: everybody gets 100 publications, is cut off once and comes back.
for transport in sse grpc; do
    for n in 1000 ${MANY:-10000}; do
        run "idle-uni_$transport-$n" "gush $others" "--$transport" "$n" --warmup 5 --cycle --duration 1
    done
done
exit $failed
