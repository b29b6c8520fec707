#!/usr/bin/env python3
"""Attacks a server that is nothing but the gRPC C core (bare.c), to tell what is the library's doing.

    bare.py [--units 300000] [--connections 10] [--core DIR] ATTACK...

Compiles bare.c against the packaged library, or against what deploy/grpc-core.sh left in DIR. For
each attack (attackers.py) a fresh server: its resident memory before, at its highest, and when it is
back, or ten seconds after the attackers have gone.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CALM_S = 10


def build(folder, core):
    out = pathlib.Path(folder) / "bare"
    if core:
        flags = [f"-I{core}/include", "-include", "grpc/credentials.h"]
        libraries = [f"{core}/lib/libgrpc_core.a", "-Wl,--gc-sections", "-lssl", "-lcrypto", "-lz",
                     "-lstdc++", "-lm", "-ldl", "-lpthread"]
    else:
        flags = []
        libraries = subprocess.check_output(["pkg-config", "--libs", "grpc", "gpr"],
                                            text=True).split()
    subprocess.run(["gcc", "-O2", *flags, HERE / "bare.c", "-o", out, *libraries], check=True)
    return out


def memory(process):
    """(now, highest) in MiB"""
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return tuple(int(fields[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))


def attack(binary, name, options):
    server = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={**os.environ, "GRPC_VERBOSITY": "NONE"})
    port = server.stdout.readline().decode().strip()
    before = memory(server)[0]
    listener = "grpc_api" if name in ("message_of_4_gib", "gzip_bomb") else "uni_grpc"
    attacker = subprocess.Popen(
        [sys.executable, "-B", HERE / "attackers.py", name, port, "--listener", listener,
         "--connections", str(options.connections), "--enough", str(options.units)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    attacker.stdout.readline()  # "enough"
    attacker.stdin.close()
    done = json.loads(attacker.stdout.read().splitlines()[-1])
    attacker.wait()
    deadline = time.monotonic() + CALM_S
    while server.poll() is None and memory(server)[0] > before * 1.2 and \
            time.monotonic() < deadline:
        time.sleep(0.2)
    now, highest = memory(server) if server.poll() is None else ("ended", "")
    print(f"{name:24} {before:6} {highest:6} {now:6} {done['units']:10} {done['bytes'] >> 20:8}",
          flush=True)
    server.kill()
    server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attacks", nargs="+", metavar="ATTACK")
    parser.add_argument("--units", type=int, default=300_000)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--core", help="a folder made by deploy/grpc-core.sh")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = build(folder, options.core)
        print(f"{'attack':24} {'before':>6} {'peak':>6} {'after':>6} {'units':>10} {'MiB sent':>8}")
        for name in options.attacks:
            attack(binary, name, options)


if __name__ == "__main__":
    main()
