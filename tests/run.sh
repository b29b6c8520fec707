#!/usr/bin/env bash
# Installs what the tests need, builds every variant and passes all tests. Debian 12.
#
#   tests/run.sh                    everything
#   tests/run.sh --only dev,unit    these steps (and no packages)
#   tests/run.sh --list             the steps
#
# Goes on after a failure where that makes sense, so that one run tells all. Every step's log stays in
# build/test-logs/. Exit code 0: everything passed.
set -u
repository=$(cd "$(dirname "$0")/.." && pwd)
cd "$repository" || exit 1
log_dir=$repository/build/test-logs
. "$repository/deploy/steps.sh"

jobs=$(nproc)
python=/usr/bin/python3
fuzz_seconds=300
export TSAN_OPTIONS="suppressions=$repository/tests/support/tsan.supp:history_size=4"

# name|needs|command; a step is skipped when one that it needs did not pass.
steps='
dev||build_preset dev -DGUSH_TESTS=ON
check|dev|.ci/check build/dev
unit|dev|run_ctest dev -L "^unit$"
sim-asan|dev|run_ctest dev -R "^(sim/asan|stress/threads)$"
clang||build_preset clang -DGUSH_TESTS=ON
release||build_preset release -DGUSH_TESTS=ON
sim|release|run_ctest release -L "^sim$"
tsan||build_preset tsan -DGUSH_TESTS=ON
unit-tsan|tsan|run_ctest tsan -L "^unit$"
stress|tsan|run_ctest tsan -L "^stress$"
e2e|dev|run_pytest dev --ignore-glob=test_*browser*.py --ignore=test_workbench.py --ignore=test_quickstart.py
e2e-release|release|run_pytest release test_readers.py test_recovery.py test_bad_input.py test_http1_hostile.py grpc_hostile h2_hostile
e2e-tsan|tsan|run_pytest tsan test_delivery.py test_recovery.py test_presence.py test_event_ids.py test_h2.py test_http_api.py test_http_stream.py test_reload.py
browser|dev|run_pytest dev test_browser.py test_browser_cut.py test_clients_browser.py test_workbench.py
quickstart|release|run_pytest release test_quickstart.py
fuzz-build||build_preset fuzz -DGUSH_TESTS=ON
fuzz|fuzz-build|tests/fuzz/run.sh $fuzz_seconds
'

build_preset() # PRESET CMAKE_ARGUMENTS...
{
    local preset=$1
    shift
    cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$jobs"
}

run_ctest() # PRESET SELECTION...
{
    local preset=$1
    shift
    # A selection without a test must not pass for a success.
    ctest --test-dir "build/$preset" --no-tests=error --output-on-failure --parallel "$jobs" "$@"
}

run_pytest() # PRESET ARGUMENTS...
{
    local preset=$1
    shift
    cd tests/e2e && GUSH_TEST_BINARY="$repository/build/$preset/gush" \
        "$python" -B -m pytest -p no:cacheprovider -v --durations=10 "$@"
}

only=
while [ $# -gt 0 ]; do
    case $1 in
    --only)
        only=${2:-}
        [ -n "$only" ] || {
            echo "run.sh: --only wants the names of steps, see --list" >&2
            exit 2
        }
        shift
        ;;
    --list)
        echo "$steps" | cut -d'|' -f1 | grep .
        exit 0
        ;;
    *)
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done

selected()
{
    [ -z "$only" ] && return 0
    case ",$only," in *",$1,"*) return 0 ;; esac
    return 1
}

for name in ${only//,/ }; do
    echo "$steps" | grep -q "^$name|" || {
        echo "run.sh: there is no step $name, see --list" >&2
        exit 2
    }
done

trap 'echo; echo "run.sh: stopped"; steps_stop; exit 130' INT TERM HUP

summary=
failed=
passed=,
note() # NAME RESULT SECONDS
{
    summary="$summary$(printf '%-14s %-8s %5s s' "$1" "$2" "$3")"$'\n'
}

began=$SECONDS
steps_total=1
while IFS='|' read -r name needs command; do
    [ -n "$name" ] && selected "$name" && steps_total=$((steps_total + 1))
done <<<"$steps"

if [ -n "$only" ]; then
    steps_total=$((steps_total - 1))
elif install_packages build test; then
    note packages ok "$steps_seconds"
else
    echo
    echo "run.sh: without its packages nothing can be tested"
    exit 1
fi

while IFS='|' read -r name needs command; do
    [ -n "$name" ] && selected "$name" || continue
    if [ -n "$needs" ] && [ -z "$only" ] && [[ $passed != *",$needs,"* ]]; then
        steps_done=$((steps_done + 1))
        printf '[%2d/%d] %-12s skipped: %s did not pass\n' "$steps_done" "$steps_total" "$name" "$needs"
        note "$name" skipped 0
        failed="$failed $name"
        continue
    fi
    if eval "step $name $command"; then
        passed="$passed$name,"
        note "$name" ok "$steps_seconds"
    else
        steps_tail 30
        note "$name" FAILED "$steps_seconds"
        failed="$failed $name"
    fi
done <<<"$steps"

echo
printf '%s' "$summary"
printf '%-14s %-8s %5s s\n' total '' "$((SECONDS - began))"
echo
if [ -n "$failed" ]; then
    echo "Not passed:$failed. The logs are in $log_dir."
    exit 1
fi
echo "All passed. The logs are in $log_dir."
