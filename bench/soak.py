#!/usr/bin/env python3
"""A soak: deliveries over gRPC and SSE together, with churn, for a long time.

    bench/soak.py [SECONDS] [OPTIONS]     600 s, 20,000 deliveries a second; --help tells more

Everybody listens to a channel with history and comes back from the last position: subscribers are
stopped in order, connections are reset, readers stop reading until the server gives them up, and
visitors come and go, a few of each every second. It is a failure when

- anything was lost, repeated, disordered, refused, or could not be recovered,
- a stream ended that had no reason to,
- something is still alive when everybody has left and the history has expired (/debug/live),
- the server does not end with status 0, or a sanitizer spoke,
- memory grew: over the second half of the samples, a straight line through them (least squares)
  rises by more than 3 % of their mean and more than 1 MiB. Runs under 60 s are too short to say.

build/bench/soak.csv has a line for each second, soak.json beside it the figures. Which binaries:
see servers.py. Exit 0 if all was well."""
import argparse
import csv
import http.client
import json
import pathlib
import subprocess
import sys
import time

import servers

CHANNELS = 20
SUBSCRIBERS = 500  # over each of the two transports
STREAMS = 10       # gRPC subscribers on one connection
GROWTH_SHARE, GROWTH_BYTES = 0.03, 1 << 20
SLOPE_FROM_S = 60
REST_TIMEOUT_S = 60
SANITIZERS = ("Sanitizer", "runtime error:", "assertion")

# (seconds that a reader reads nothing, history_ttl, history_meta_ttl): in a long soak such a reader
# is given up by the server. History is short, so that at the end nothing is left to be excused.
TIMES, SHORT_TIMES = (8, 40, 45), (2, 5, 8)

CONFIG = {
    "http_server": {"address": "127.0.0.1"},
    "log": {"level": "warn"},
    "client": {"allow_anonymous_connect_without_token": True, "queue_max_size": 32768,
               "recovery_max_publication_limit": 1000},
    "channel": {
        "namespaces": [{
            "name": "hist", "history_size": 1000, "force_recovery": True,
            "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True,
        }],
    },
    "grpc_api": {"enabled": True, "address": "127.0.0.1", "key": "bench-key"},
    "uni_grpc": {"enabled": True, "address": "127.0.0.1"},
    "uni_sse": {"enabled": True},
    "debug": {"enabled": True, "handler_prefix": "/debug"},
}


def times(options):
    return TIMES if options.seconds >= SLOPE_FROM_S else SHORT_TIMES


def configuration(options):
    _, history, meta = times(options)
    CONFIG["channel"]["history_meta_ttl"] = f"{meta}s"
    CONFIG["channel"]["namespaces"][0]["history_ttl"] = f"{history}s"
    return CONFIG


def live(server):
    """What the server has alive, by kind; only what is not zero."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=10)
    try:
        connection.request("GET", "/debug/live")
        counts = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return {name: count for name, count in counts.items() if count}


def left_alive(server):
    """What is still there when all had time to go."""
    deadline = time.monotonic() + REST_TIMEOUT_S
    while (left := live(server)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def growth(samples):
    """(bytes by which a line through the second half rises, mean of that half)"""
    half = samples[len(samples) // 2:]
    n = len(half)
    x_mean = sum(x for x, _ in half) / n
    y_mean = sum(y for _, y in half) / n
    below = sum((x - x_mean) ** 2 for x, _ in half)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in half) / below if below else 0
    return slope * (half[-1][0] - half[0][0]), y_mean


def run_load(server, options, out):
    """(exit status, figures) of the load client."""
    rate = options.deliveries * CHANNELS / (2 * SUBSCRIBERS * options.scale)
    each = max(1, int(SUBSCRIBERS * options.scale))
    churn = ["--connects", 10, "--stops", 10, "--kills", 2, "--stalls", 1]
    command = server.load_command([
        "--json", "--history", "--grpc", each, "--sse", each, "--streams", STREAMS,
        "--channels", CHANNELS, "--rate", rate, "--size", 256, "--warmup", 1,
        "--duration", options.seconds, "--stall-ms", times(options)[0] * 1000, "--grace-ms", 15000,
        "--csv", out / "soak.csv", *churn])
    run = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    return run.returncode, json.loads(run.stdout) if run.stdout else {}


def judge(server, options, out):
    status, figures = run_load(server, options, out)
    wrong = []
    if status != 0:
        wrong.append(f"gush_load: exit status {status}")
    for name in ("stops", "kills", "visits"):
        if not figures.get(name):
            wrong.append(f"no {name}: this was no churn")
    if not figures.get("recovered"):
        wrong.append("nothing was recovered")
    left = left_alive(server)
    if left:
        wrong.append(f"still alive: {left}")
    figures["left_alive"] = left
    figures["exit_status"] = server.stop()
    if figures["exit_status"] != 0 or any(word in server.log() for word in SANITIZERS):
        wrong.append(f"the server ended with {figures['exit_status']}\n{server.log()[-4000:]}")
    with open(out / "soak.csv") as file:
        samples = [(int(row["second"]), int(row["rss"])) for row in csv.DictReader(file)]
    if len(samples) >= SLOPE_FROM_S and not options.no_slope:
        grown, mean = growth(samples)
        figures["rss_mean_mb"], figures["rss_growth_mb"] = mean / 1e6, grown / 1e6
        if grown > max(GROWTH_BYTES, GROWTH_SHARE * mean):
            wrong.append(f"memory grew by {grown / 1e6:.2f} MB, mean {mean / 1e6:.1f} MB")
    return figures, wrong


def main():
    parser = argparse.ArgumentParser(description="See the head of this file.")
    parser.add_argument("seconds", nargs="?", type=int, default=600)
    parser.add_argument("--deliveries", type=float, default=20000, help="a second (20000)")
    parser.add_argument("--scale", type=float, default=1, help="part of the 1,000 subscribers (1)")
    parser.add_argument("--no-slope", action="store_true", help="a sanitizer's memory says little")
    parser.add_argument("--out", type=pathlib.Path, default=servers.REPOSITORY / "build/bench",
                        help="directory of soak.csv and soak.json (build/bench)")
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    with servers.start("gush", configuration(options)) as server:
        figures, wrong = judge(server, options, out)
    (out / "soak.json").write_text(json.dumps(figures, indent=1) + "\n")
    for name, value in figures.items():
        print(f"  {name:28} {value}")
    for what in wrong:
        print(f"soak: {what}")
    print("soak: failed" if wrong else f"soak: {options.seconds} s, all well")
    sys.exit(1 if wrong else 0)


main()
