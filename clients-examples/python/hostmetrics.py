"""What this machine is doing right now, read from /proc.

    sampler = Sampler()
    sampler.sample()    {"t": Unix ms, "cpu": [percent per core], "mem": {"used", "total"} in bytes,
                         "net": {"rx", "tx"} in bytes per second}

Percentages and rates are means since the previous sample.
"""
import time


def _cpu_times():
    """[(busy, all)] per core, in clock ticks since boot"""
    cores = []
    with open("/proc/stat") as lines:
        for line in lines:
            name, *fields = line.split()
            if name.startswith("cpu") and name != "cpu":
                ticks = [int(field) for field in fields[:8]]  # guest time is part of user already
                idle = ticks[3] + ticks[4]
                cores.append((sum(ticks) - idle, sum(ticks)))
    return cores


def _memory():
    kib = {}
    with open("/proc/meminfo") as lines:
        for line in lines:
            key, value = line.split(":")
            kib[key] = int(value.split()[0])
    total = kib["MemTotal"]
    return {"used": (total - kib.get("MemAvailable", kib["MemFree"])) * 1024, "total": total * 1024}


def _network():
    """(bytes received, bytes sent) of all interfaces; of loopback only where there is no other"""
    counters = {}
    with open("/proc/net/dev") as lines:
        for line in lines:
            name, colon, rest = line.partition(":")
            if colon:
                fields = rest.split()
                counters[name.strip()] = (int(fields[0]), int(fields[8]))
    real = [value for name, value in counters.items() if name != "lo"] or list(counters.values())
    return sum(rx for rx, _ in real), sum(tx for _, tx in real)


class Sampler:
    def __init__(self):
        self._at, self._cpu, self._net = time.monotonic(), _cpu_times(), _network()

    def sample(self):
        at, cpu, net = time.monotonic(), _cpu_times(), _network()
        seconds = max(at - self._at, 1e-3)
        percent = []
        for (busy, ticks), (old_busy, old_ticks) in zip(cpu, self._cpu):
            passed = ticks - old_ticks
            percent.append(round(100.0 * (busy - old_busy) / passed, 1) if passed > 0 else 0.0)
        rates = [max(0, round((new - old) / seconds)) for new, old in zip(net, self._net)]
        self._at, self._cpu, self._net = at, cpu, net
        return {"t": time.time_ns() // 1_000_000, "cpu": percent, "mem": _memory(),
                "net": {"rx": rates[0], "tx": rates[1]}}
