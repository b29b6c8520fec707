#!/usr/bin/env python3
"""What the HTTP front costs beside Centrifugo, by an outside load generator: fanbench.

    FANBENCH=/path/to/fanbench CENTRIFUGO=/path/to/centrifugo bench/front.py [--rounds N] [ROW...]

Each row is one load on Gush and on the other server in turn, each freshly started; printed are the
medians and Gush's ratio. Without names of rows: all of them (--list shows them). LIMITD names
fanbench's floor, by default limitd/limitd beside it. Every run is kept in build/bench/front.jsonl.
Exit 3 if anything was lost."""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys

import servers

FANBENCH = pathlib.Path(os.environ.get("FANBENCH", "fanbench"))
LIMITD = pathlib.Path(os.environ.get("LIMITD", FANBENCH.parent / "limitd/limitd"))
LONGEST_S = 300  # of one run
CPU, API_CPU = "server_cpu_us_per_delivery", "server_cpu_us_per_publish"

FANOUT = ["fanout", "--n", "1000", "--rate", "20", "--size", "128", "--pub", "http"]
MANY = ["many", "--n", "10000", "--channels", "2000", "--rate", "2000", "--pub", "http"]
API = ["api", "--pub", "http"]
IDLE = ["idle", "--used", "100", "--churn"]
MEMORY = "rss_bytes_per_conn"

# name: (figure, the other server, fanbench's arguments, Gush's budget or None)
ROWS = {
    "sse": (CPU, "centrifugo", [*FANOUT, "--transport", "uni_sse"], 0.42),
    "stream": (CPU, "centrifugo", [*FANOUT, "--transport", "uni_http_stream"], 0.42),
    "sse-floor": (CPU, "limitd", [*FANOUT, "--transport", "uni_sse"], 1.15),
    "stream-floor": (CPU, "limitd", [*FANOUT, "--transport", "uni_http_stream"], 1.15),
    "sse-history": (CPU, "centrifugo", [*FANOUT, "--transport", "uni_sse", "--history"], 0.42),
    "sse-h2": (CPU, "centrifugo", [*FANOUT, "--transport", "uni_sse_h2"], 0.40),
    "grpc-h2": (CPU, "centrifugo", [*FANOUT, "--transport", "uni_grpc"], 0.48),
    "grpc-h2-100": (CPU, "centrifugo",
                    [*FANOUT, "--transport", "uni_grpc", "--streams", "100"], 0.25),
    "many": (CPU, "centrifugo", [*MANY, "--transport", "uni_sse"], 0.5),
    "api": (API_CPU, "centrifugo", API, 0.4),
    "api-history": (API_CPU, "centrifugo", [*API, "--history"], 0.4),
    "api-batch": (API_CPU, "centrifugo", [*API, "--batch", "100"], 0.4),
    "idle-sse": (MEMORY, "centrifugo", [*IDLE, "--n", "3000", "--transport", "uni_sse"], None),
    "idle-sse-h2": (MEMORY, "centrifugo",
                    [*IDLE, "--n", "3000", "--transport", "uni_sse_h2"], None),
    "idle-grpc-h2-100": (MEMORY, "centrifugo", [*IDLE, "--n", "10000", "--transport", "uni_grpc",
                                                "--streams", "100"], None),
}


def config(kind):
    """bench/gush.json with everything on that fanbench speaks to."""
    c = json.loads((servers.BENCH / "gush.json").read_text())
    c["http_server"] |= {"h2c_external": True, "internal_address": "127.0.0.1",
                         "internal_port": str(servers.free_ports(1)[0])}
    c["http_api"] = {"key": "bench-key", "external": True}
    c["uni_http_stream"] = {"enabled": True}
    c["usage_stats"] = {"disabled": True}
    if kind == "gush":
        c["uni_grpc"]["on_http_port"] = True
    return c


def fanbench(pid, kind, arguments, addresses):
    command = servers.prefix(1) + [str(FANBENCH), *arguments, "--json", "--pid", str(pid),
                                   "--label", kind, *addresses]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S)
    if run.returncode not in (0, 3):
        raise SystemExit(f"fanbench ended with {run.returncode}")
    figures = json.loads(run.stdout)
    return figures.get("metrics", figures), run.returncode == 0


def once(kind, arguments):
    """(figures, whether nothing was lost) of one run."""
    if kind == "limitd":
        port = servers.free_ports(1)[0]
        process = subprocess.Popen(servers.prefix(0) + [str(LIMITD), str(port)])
        try:
            return fanbench(process.pid, kind, arguments,
                            ["--profile", "limit", "--url", f"http://127.0.0.1:{port}"])
        finally:
            process.kill()
            process.wait()
    with servers.start(kind, config(kind)) as server:
        uni = server.ports["http" if kind == "gush" else "uni"]
        return fanbench(server.process.pid, kind, arguments,
                        ["--url", f"http://127.0.0.1:{server.ports['http']}",
                         "--grpc-api", f"127.0.0.1:{server.ports['api']}",
                         "--uni-grpc", f"127.0.0.1:{uni}"])


def measure(name, rounds, out):
    figure, other, arguments, budget = ROWS[name]
    values, good = {"gush": [], other: []}, True
    for _ in range(rounds):
        for kind in values:
            figures, well = once(kind, arguments)
            good &= well
            values[kind].append(figures[figure])
            print(json.dumps({"row": name, **figures}), file=out, flush=True)
    ours, theirs = (statistics.median(values[kind]) for kind in values)
    spread = max((max(v) - min(v)) / statistics.median(v) for v in values.values())
    print(f"| {name} | {ours:.2f} | {other} {theirs:.2f} | {ours / theirs:.3f} | "
          f"{budget or ''} | {100 * spread:.0f} % |", flush=True)
    return good


def main():
    words = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers end with us
    if "--list" in words or "--help" in words:
        sys.exit(__doc__ + "\n\n" + "\n".join(ROWS))
    rounds = 3
    if "--rounds" in words:
        at = words.index("--rounds")
        rounds = int(words[at + 1])
        del words[at:at + 2]
    path = servers.REPOSITORY / "build/bench/front.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    print("| load | Gush | other | ratio | budget | spread |\n|---|---|---|---|---|---|")
    good = True
    with open(path, "a") as out:
        for name in words or ROWS:
            good &= measure(name, rounds, out)
    sys.exit(0 if good else 3)


main()
