"""A proxy that lets each event stream live for a given number of bytes.

    with CuttingProxy(port, "/connection/uni_sse", cuts) as proxy:
        ... connect to 127.0.0.1:proxy.port ...

The answer to the first request for |path| is cut by |cuts[0]|, the second one's by |cuts[1]|, and
so on; behind the last of them nothing is cut any more. (START, n) lets n bytes of the answer pass,
(CONNECT, n) n bytes behind its connect push. Every other cut is a reset, and so is each within the
head: half a head and a proper end are a wrong answer to a browser, not a lost one.
"""
import select
import threading

from proxy import CutProxy

START, CONNECT = "start", "connect"


class Stream:
    """One answer: how much of it passes."""

    def __init__(self, cut, by_reset):
        self.cut, self.by_reset = cut, by_reset
        self.seen, self.passed = b"", 0

    def end(self):
        """Where it is to be cut, as far as that can be told."""
        if self.cut is None:
            return None
        where, count = self.cut
        if where == START:
            return count
        push = self.seen.find(b'{"connect":')
        found = self.seen.find(b"\n\n", push) if push >= 0 else -1
        return found + 2 + count if found >= 0 else None

    def take(self, data):
        """(what of it may pass, whether that is all)"""
        self.seen += data
        end = self.end()
        if end is None or end > len(self.seen):
            self.passed = len(self.seen)
            return data, False
        data = self.seen[self.passed:max(end, self.passed)]
        self.by_reset |= b"\r\n\r\n" not in self.seen[:end]
        return data, True


class CuttingProxy(CutProxy):
    def __init__(self, target_port, path, cuts):
        self.request = f" {path}?".encode()
        self.cuts = list(cuts)
        self.streams = 0  # requests for |path|; counted_lock
        self.counted_lock = threading.Lock()
        super().__init__(target_port)

    def next_stream(self):
        with self.counted_lock:
            number, self.streams = self.streams, self.streams + 1
        return Stream(self.cuts[number] if number < len(self.cuts) else None, number % 4 > 1)

    def pump(self, near, far):
        stream = Stream(None, False)
        try:
            while True:
                for ready in select.select([near, far], [], [], 0.5)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is near:
                        if self.request in data:
                            stream = self.next_stream()
                        far.sendall(data)
                        continue
                    data, over = stream.take(data)
                    near.sendall(data)
                    if over:
                        if stream.by_reset:
                            self.reset(near)
                        return
        except (OSError, ValueError):
            return
        finally:
            with self.lock:
                self.sockets -= {near, far}
            near.close()
            far.close()
