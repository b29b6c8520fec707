#!/usr/bin/env bash
# Gush in one command, on Debian 12: installs what is missing, builds a release, starts gush with the
# demo configuration, feeds it this machine's live metrics through the gRPC API, and shows them in
# the terminal and on a page. Ctrl-C ends all of it.
#
#   deploy/quickstart.sh [--no-subscriber] [--seconds N]
#
#   --no-subscriber   do not print the pushes in this terminal
#   --seconds N       end by itself after N seconds
#
# Everything listens on 127.0.0.1. Other ports than the usual ones:
#   GUSH_HTTP_SERVER_PORT=8080 GUSH_GRPC_API_PORT=10080 GUSH_UNI_GRPC_PORT=11080 deploy/quickstart.sh
# (0 takes any free port.) Logs stay in build/quickstart/.

set -u
repository=$(cd "$(dirname "$0")/.." && pwd)
log_dir=$repository/build/quickstart
steps_total=4
. "$repository/deploy/steps.sh"

subscriber=yes
seconds=0
while [ $# -gt 0 ]; do
    case $1 in
    --no-subscriber) subscriber= ;;
    --seconds)
        seconds=${2:-}
        case $seconds in
        '' | *[!0-9]*)
            echo "quickstart: --seconds wants a number" >&2
            exit 2
            ;;
        esac
        shift
        ;;
    -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        echo "quickstart: unknown option $1 (see --help)" >&2
        exit 2
        ;;
    esac
    shift
done

export GUSH_HTTP_SERVER_PORT=${GUSH_HTTP_SERVER_PORT:-8000}
export GUSH_GRPC_API_PORT=${GUSH_GRPC_API_PORT:-10000}
export GUSH_UNI_GRPC_PORT=${GUSH_UNI_GRPC_PORT:-11000}
# A key for this run only: nobody else on this machine can publish into the demo.
GUSH_GRPC_API_KEY=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
GUSH_HTTP_API_KEY=$GUSH_GRPC_API_KEY
export GUSH_GRPC_API_KEY GUSH_HTTP_API_KEY

gush=$repository/build/release/gush
gush_log=$log_dir/gush.log
examples=$repository/clients-examples/python
gush_pid= feeder_pid= subscriber_pid= timer_pid=

# ---- ending

# |pid| has 10 s to end by itself after SIGTERM.
end_process() # NAME PID
{
    local waited=0
    [ -n "$2" ] || return 0
    kill -TERM "$2" 2>/dev/null
    while kill -0 "$2" 2>/dev/null; do
        waited=$((waited + 1))
        if [ "$waited" -eq 100 ]; then
            echo "quickstart: $1 did not end within 10 s and was killed"
            kill -KILL "$2" 2>/dev/null
        fi
        sleep 0.1
    done
    wait "$2" 2>/dev/null
}

# Listeners of a stream first, the server last, so that nobody has reason to complain.
end_all()
{
    trap '' INT TERM HUP
    steps_stop
    end_process timer "$timer_pid"
    end_process subscriber "$subscriber_pid"
    end_process feeder "$feeder_pid"
    end_process gush "$gush_pid"
    timer_pid= subscriber_pid= feeder_pid= gush_pid=
}

on_signal()
{
    echo
    echo "quickstart: stopping"
    end_all
    echo "quickstart: stopped"
    exit 0
}
trap on_signal INT TERM HUP
trap end_all EXIT

fail()
{
    printf '\nquickstart: %s\n' "$*"
    exit 1
}

# ---- steps

port_variables='GUSH_HTTP_SERVER_PORT GUSH_GRPC_API_PORT GUSH_UNI_GRPC_PORT'

check_ports()
{
    local name port taken=
    for name in $port_variables; do
        port=${!name}
        case $port in
        *[!0-9]* | '') fail "$name=$port is not a port number" ;;
        esac
        [ "$port" -le 65535 ] || fail "$name=$port is not a port number"
        [ "$port" -ne 0 ] || continue
        # Opens and closes a connection: who answers holds the port.
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "Port $port on 127.0.0.1 is taken. Choose another: $name=$((port + 80)) $0"
            taken=yes
        fi
    done
    [ -z "$taken" ] || fail "ports are taken (0 picks any free one)"
}

explain_build()
{
    if grep -q 'No space left' "$steps_log"; then
        fail "the disk is full"
    fi
    fail "the build failed; the whole log is $steps_log"
}

# Runs in the background and dies with this script, however the script dies.
start() # LOG COMMAND...
{
    local log=$1
    shift
    if [ "$log" = - ]; then
        setsid setpriv --pdeathsig TERM "$@" </dev/null &
    else
        setsid setpriv --pdeathsig TERM "$@" >"$log" 2>&1 </dev/null &
    fi
}

# The port a listener really has, from gush's start lines.
port_of() # LISTENER
{
    sed -n "/\"listener\":\"$1\"/s/.*\"port\":\([0-9]*\).*/\1/p" "$gush_log" | head -n 1
}

wait_for_gush()
{
    local waited=0
    while [ -z "$(port_of http)" ] || [ -z "$(port_of grpc_api)" ] || [ -z "$(port_of uni_grpc)" ]; do
        if ! kill -0 "$gush_pid" 2>/dev/null; then
            gush_pid=
            echo "gush ended at once:"
            tail -n 10 "$gush_log" | sed 's/^/      | /'
            if grep -qi 'in use' "$gush_log"; then
                fail "a port is taken; choose others with $port_variables"
            fi
            fail "the whole log is $gush_log"
        fi
        waited=$((waited + 1))
        [ "$waited" -lt 150 ] || fail "gush did not listen within 15 s; see $gush_log"
        sleep 0.1
    done
}

case $(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}") in
'debian 12') ;;
*) echo "quickstart: made for Debian 12; trying anyway" ;;
esac

check_ports
install_packages build || fail "packages are missing"
cd "$repository" || exit 1
if ! step configure cmake --preset release -DGUSH_TESTS=OFF; then
    steps_tail
    explain_build
fi
if ! step build cmake --build --preset release --target gush; then
    steps_tail 30
    explain_build
fi

check_ports
: >"$gush_log"
start "$gush_log" "$gush" -c "$repository/deploy/demo/gush.json"
gush_pid=$!
wait_for_gush
steps_done=$((steps_done + 1))
printf '[%2d/%d] %-12s ok\n' "$steps_done" "$steps_total" start

http_port=$(port_of http)
uni_port=$(port_of uni_grpc)
api_port=$(port_of grpc_api)

GUSH_API_KEY=$GUSH_GRPC_API_KEY start "$log_dir/feeder.log" /usr/bin/python3 "$examples/feeder.py" \
    --api "127.0.0.1:$api_port"
feeder_pid=$!

cat <<END

    Page        http://127.0.0.1:$http_port/
    HTTP API    http://127.0.0.1:$http_port/api
    gRPC API    127.0.0.1:$api_port
    gRPC stream 127.0.0.1:$uni_port
    API key     $GUSH_GRPC_API_KEY   (of this run)
    Logs        $log_dir

    Publishing this machine's metrics to channel metrics:host five times a second.
    Ctrl-C ends everything.

END

if [ -n "$subscriber" ]; then
    start - /usr/bin/python3 "$examples/subscriber.py" --address "127.0.0.1:$uni_port"
    subscriber_pid=$!
fi
if [ "$seconds" -gt 0 ]; then
    start /dev/null sleep "$seconds"
    timer_pid=$!
fi

# shellcheck disable=SC2086 # empty ones vanish
wait -n $gush_pid $feeder_pid $subscriber_pid $timer_pid
if [ -n "$timer_pid" ] && ! kill -0 "$timer_pid" 2>/dev/null; then
    timer_pid=
    on_signal
fi
if ! kill -0 "$gush_pid" 2>/dev/null; then
    gush_pid=
    tail -n 10 "$gush_log" | sed 's/^/      | /'
    fail "gush ended by itself; the whole log is $gush_log"
fi
if ! kill -0 "$feeder_pid" 2>/dev/null; then
    feeder_pid=
    tail -n 10 "$log_dir/feeder.log" | sed 's/^/      | /'
    fail "the feeder ended by itself"
fi
subscriber_pid=
fail "the subscriber ended by itself"
