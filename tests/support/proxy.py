"""A TCP proxy between a client and the server, to cut the wire.

    with CutProxy(port) as proxy:
        ... connect to 127.0.0.1:proxy.port ...
        proxy.cut()      resets every connection and refuses new ones
        proxy.mend()
"""
import select
import socket
import struct
import threading


class CutProxy:
    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.sockets = set()  # lock
        self.is_cut = False   # lock
        self.accepted = 0
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self.listener.close()
        self.thread.join(5)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.is_cut:
                    self.reset(near)
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self.target_port), 5)
                except OSError:
                    self.reset(near)
                    continue
                self.accepted += 1
                self.sockets |= {near, far}
            threading.Thread(target=self.pump, args=(near, far), daemon=True).start()

    def pump(self, near, far):
        other = {near: far, far: near}
        try:
            while True:
                for ready in select.select([near, far], [], [], 0.5)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    other[ready].sendall(data)
        except (OSError, ValueError):
            return
        finally:
            with self.lock:
                self.sockets -= {near, far}
            near.close()
            far.close()

    @staticmethod
    def reset(sock):
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        except OSError:
            pass

    def cut(self):
        with self.lock:
            self.is_cut = True
            for sock in self.sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the pump, which closes both
                except OSError:
                    pass

    def mend(self):
        with self.lock:
            self.is_cut = False
