#!/usr/bin/env python3
"""Idle SSE connections: how soon all are connected, what they cost while nothing is published, and
whether every one of them receives the next publication.

    bench/idle.py [CONNECTIONS] [--seconds S] [--server KIND] [--no-limits]

CONNECTIONS     18000: a process that may open 20,000 files has room for no more
--seconds S     how long nothing is published (30); pings come every 25 s
--server KIND   gush, centrifugo or floor, see servers.py (gush)
--no-limits     judge what was lost, not how fast it was: for a machine that is not quiet

Prints one line of figures. Exit 3 if a connection was refused or lost, or missed the publication,
or, unless --no-limits, if connecting or the idle time cost more than the limits below."""
import argparse
import json
import resource
import sys

import servers

CONNECT_LIMIT_S = 10
IDLE_LIMIT_CORES = 0.02
FILES_BESIDE = 200  # of client and server, beside the connections
LIMITS = {"CENTRIFUGO_CLIENT_CONNECTION_LIMIT": "0"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("connections", nargs="?", type=int, default=18000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--server", default="gush")
    parser.add_argument("--no-limits", action="store_true")
    chosen = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if chosen.connections < 1 or chosen.connections + FILES_BESIDE > files:
        parser.error(f"from 1 to {files - FILES_BESIDE} connections: {files} files may be open")
    return chosen


def raise_files():
    """For the server; the client does it itself."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def summary(figures, chosen):
    """What the run says, in the units of the question."""
    return {
        "server": chosen.server,
        "connections": chosen.connections,
        "connect_s": round(figures["connect_ms"] / 1000, 2),
        "connect_cpu_us_each": round(figures["connect_cpu_us"], 1),
        "bytes_each": round(figures["rss_per_connection"]),
        "idle_cores": round(figures["idle_cpu_us_per_s"] * chosen.connections / 1e6, 5),
        "published": int(figures["published"]),
        "received": int(figures["deliveries"]),
        "last_received_ms": round(figures["max_us"] / 1000, 1),
        "lost": int(figures["lost"]),
        "refused": int(figures["refused"]),
        "dropped": int(figures["dropped"]),
    }


def main():
    chosen = arguments()
    raise_files()
    with servers.start(chosen.server, env=LIMITS) as server:
        # One publication: the first after the silence.
        figures, well = servers.load(server, [
            "--sse", str(chosen.connections), "--idle", str(chosen.seconds), "--warmup", "0",
            "--rate", "1", "--duration", "1", "--grace-ms", "30000"])
    said = summary(figures, chosen)
    print(json.dumps(said), flush=True)
    complaints = []
    if not well or said["received"] != chosen.connections * said["published"]:
        complaints.append("not everybody received everything")
    if not chosen.no_limits and said["connect_s"] > CONNECT_LIMIT_S:
        complaints.append(f"connecting took more than {CONNECT_LIMIT_S} s")
    if not chosen.no_limits and said["idle_cores"] > IDLE_LIMIT_CORES:
        complaints.append(f"idle connections took more than {IDLE_LIMIT_CORES} of a core")
    for complaint in complaints:
        print(f"idle: {complaint}", file=sys.stderr)
    sys.exit(3 if complaints else 0)


main()
