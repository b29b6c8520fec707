#!/usr/bin/env bash
# 1, 10 and 100 gRPC streams on each connection, 1,000 subscribers of one channel: what a delivery
# costs, how late it is, and whether any was lost. With CENTRIFUGO=/path against Centrifugo in turn.
#
#   [CENTRIFUGO=/path] bench/streams.sh [ROUNDS]      about 1.5 minutes a round with Centrifugo
#   SECONDS_EACH=10    of measuring, for each run
#   SUBSCRIBERS=1000
#
# Every run stays in build/bench/ as JSON. Exit 3 if anything was lost.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${1:-5}
failed=0

ulimit -n "$(ulimit -Hn)"
for streams in 1 10 100; do
    # shellcheck disable=SC2086 # a list of servers
    bench/run.py "uni_grpc-$streams" --rounds "$rounds" gush ${CENTRIFUGO:+centrifugo} -- \
        --grpc "${SUBSCRIBERS:-1000}" --streams "$streams" --rate 20 --size 128 \
        --duration "${SECONDS_EACH:-10}" || failed=3
done
exit $failed
