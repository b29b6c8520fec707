#!/usr/bin/env python3
"""Measures servers with one load, in turn: A B C A B C ..., each freshly started, and prints the
median of each as a row of a table.

    bench/run.py NAME [--rounds N] SERVER... -- [gush_load options]

SERVER is gush, centrifugo or floor (servers.py says which binaries these are). Every run is kept
as one line of JSON in build/bench/NAME.jsonl. Exit 3 if anything was lost in any of them."""
import json
import statistics
import sys

import servers

COLUMNS = [
    ("server_cpu_us_per_delivery", "CPU µs", "{:.2f}"),
    ("server_user_us_per_delivery", "user µs", "{:.2f}"),
    ("p50_us", "p50 ms", None), ("p99_us", "p99 ms", None), ("p999_us", "p99.9 ms", None),
    ("messages_per_read", "per read", "{:.2f}"),
    ("server_rss_mb", "RSS MB", "{:.1f}"),
    ("rss_used_per_connection", "bytes/conn", "{:.0f}"),
    ("lost", "lost", "{:.0f}"),
]


def cell(figures, key, form):
    value = statistics.median(f[key] for f in figures)
    return form.format(value) if form else f"{value / 1000:.1f}"


def spread(figures, key):
    """(largest - smallest) / median, in per cent"""
    values = [f.get(key, 0) for f in figures]
    middle = statistics.median(values)
    return 100 * (max(values) - min(values)) / middle if middle else 0


def table(name, results):
    key = COLUMNS[0][0]
    first = statistics.median(f[key] for f in next(iter(results.values())))
    columns = [c for c in COLUMNS if all(c[0] in f for fs in results.values() for f in fs)]
    titles = [title for _, title, _ in columns]
    rows = ["| " + " | ".join(["load", "server", *titles, "spread", "Gush's ratio"]) + " |",
            "|" + "---|" * (len(titles) + 4)]
    for kind, figures in results.items():
        cells = [cell(figures, k, form) for k, _, form in columns]
        # Lost messages do not hide behind a median.
        cells[-1] = f"{sum(f['lost'] for f in figures):.0f}"
        own = statistics.median(f[key] for f in figures)
        ratio = f"{first / own:.3f}" if own and kind != "gush" else ""
        rows.append("| " + " | ".join([name, kind, *cells, f"{spread(figures, key):.0f} %", ratio])
                    + " |")
    return "\n".join(rows)


def main():
    words = sys.argv[1:]
    if "--" not in words or len(words) < 3:
        sys.exit(__doc__)
    at = words.index("--")
    name, kinds, arguments = words[0], words[1:at], words[at + 1:]
    rounds = 3
    if "--rounds" in kinds:
        at = kinds.index("--rounds")
        rounds = int(kinds[at + 1])
        del kinds[at:at + 2]
    out = servers.REPOSITORY / "build/bench" / f"{name}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    results, good = {kind: [] for kind in kinds}, True
    with open(out, "w") as file:
        for _ in range(rounds):
            for kind in kinds:
                with servers.start(kind) as server:
                    figures, well = servers.load(server, arguments)
                good &= well
                results[kind].append(figures)
                print(json.dumps(figures), file=file, flush=True)
    print(table(name, results), flush=True)
    sys.exit(0 if good else 3)


main()
