#!/usr/bin/env bash
# Measures Gush against a reference server with fanbench: A B A B ..., the same load, the same
# publisher (gRPC API), and prints medians and ratios. See README.md here.
#
#   bench/compare.sh FANBENCH_DIR 'REFERENCE COMMAND' [ROUNDS]
#
# FANBENCH_DIR holds fanbench, run-pair.sh and limitd/limitd, built. The reference must listen where
# bench/gush.json does. Results stay in build/bench/.
set -u
repository=$(cd "$(dirname "$0")/.." && pwd)
fanbench=${1:?usage: compare.sh FANBENCH_DIR "REFERENCE COMMAND" [ROUNDS]}
reference=${2:?usage: compare.sh FANBENCH_DIR "REFERENCE COMMAND" [ROUNDS]}
rounds=${3:-5}
gush="$repository/build/release/gush -c $repository/bench/gush.json"
out=$repository/build/bench
load='fanout --n 1000 --rate 20 --size 128 --pub grpc'

[ -x "$repository/build/release/gush" ] || {
    echo "compare.sh: build/release/gush is missing: cmake --preset release && cmake --build --preset release" >&2
    exit 1
}
ulimit -n "$(ulimit -Hn)"

pair() # NAME A B B-ARGUMENTS SCENARIO...
{
    local name=$1 a=$2 b=$3 b_arguments=$4
    shift 4
    echo "== $name"
    mkdir -p "$out/$name"
    OUT=$out/$name "$fanbench/run-pair.sh" --a "$a" --b "$b" --b-args "$b_arguments" \
        --rounds "$rounds" -- "$@" | tee "$out/$name/summary"
}

# shellcheck disable=SC2086 # $load is a list of words
{
    pair uni_grpc "$gush" "$reference" '' $load --transport uni_grpc
    pair uni_sse "$gush" "$reference" '' $load --transport uni_sse
    pair uni_sse-floor "$gush" "$fanbench/limitd/limitd 21009" \
        '--profile limit --url 127.0.0.1:21009' $load --transport uni_sse
}
for transport in uni_grpc uni_sse; do
    for n in 1000 10000; do
        pair "idle-$transport-$n" "$gush" "$reference" '' \
            idle --transport "$transport" --n "$n" --used 100 --churn --pub grpc
    done
done
