"""Thousands of SSE readers in one thread, which only count.

Every publication's data must be {"seq":N} with N counting from 1; each reader must see all of them
in order.
"""
import re
import selectors
import socket
import time

import sse

SEQUENCE = re.compile(rb'"seq":(\d+)[,}]')
GOODBYE = re.compile(rb'"disconnect":{"code":(\d+)')


class Reader:
    def __init__(self, sock):
        self.socket = sock
        self.tail = b""
        self.live = False
        self.last = 0
        self.broken = ""
        self.goodbye = 0  # code of the disconnect push

    def take(self, data):
        data = self.tail + data
        if not self.live:
            self.live = b'"connect":' in data
            self.tail = data[-4096:]
            return
        end = data.rfind(b"\n\n")
        complete, self.tail = data[:end + 1], data[end + 1:]
        for found in SEQUENCE.finditer(complete):
            number = int(found.group(1))
            if number != self.last + 1:
                self.broken = self.broken or f"{number} after {self.last}"
            self.last = number
        goodbye = GOODBYE.search(complete)
        if goodbye:
            self.goodbye = int(goodbye.group(1))


class Crowd:
    def __init__(self, port, channel, count):
        self.selector = selectors.DefaultSelector()
        self.readers = []
        request = sse.request_bytes({"subs": {channel: {}}})
        for at in range(count):
            sock = socket.create_connection(("127.0.0.1", port), 20)
            sock.sendall(request)
            sock.setblocking(False)
            reader = Reader(sock)
            self.readers.append(reader)
            self.selector.register(sock, selectors.EVENT_READ, reader)
            if at % 100 == 99:
                self.read(0)
        self.read_until(lambda: all(reader.live for reader in self.readers), 60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for reader in self.readers:
            reader.socket.close()
        self.selector.close()

    def read(self, timeout_s):
        for key, _ in self.selector.select(timeout_s):
            reader = key.data
            try:
                data = reader.socket.recv(65536)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                data = b""
            if not data:
                if not reader.goodbye:
                    reader.broken = reader.broken or "the connection ended"
                self.selector.unregister(reader.socket)
                continue
            reader.take(data)

    def read_until(self, condition, timeout_s):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.read(0.1)
        return True

    def expect(self, last, timeout_s=60):
        """Reads until everybody has |last| publications; returns what is wrong, best nothing."""
        self.read_until(lambda: all(reader.last >= last or reader.broken
                                    for reader in self.readers), timeout_s)
        return [f"reader {number}: {reader.broken or f'{reader.last} of {last}'}"
                for number, reader in enumerate(self.readers)
                if reader.broken or reader.last != last]
