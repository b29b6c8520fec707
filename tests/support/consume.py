"""The Consume stream of a gRPC client, read by a thread of its own.

    with Consume(server, subs=["c"]) as stream:
        stream.connect.client
        stream.push()          the next push; pings are passed over
        stream.disconnect()    (code, reason), after which the status must be OK
"""
import queue
import threading

import grpc

from server import PROTO

TIMEOUT_S = 10
METHOD = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume"


def position(offset, epoch):
    return PROTO.uni.SubscribeRequest(recover=True, offset=offset, epoch=epoch)


class Consume:
    def __init__(self, server, subs=(), token="", request=None, expect_connect=True, address=None,
                 **fields):
        if isinstance(subs, (list, tuple)):
            subs = {channel: PROTO.uni.SubscribeRequest() for channel in subs}
        for channel in subs:
            server.note_channel(channel)
        if request is None:
            request = PROTO.uni.ConnectRequest(token=token, subs=subs, **fields).SerializeToString()
        self.queue = queue.Queue()
        self.code = self.details = None
        self.ended = threading.Event()
        self.channel = grpc.insecure_channel(
            address or f"127.0.0.1:{server.ports['uni_grpc']}",
            options=[("grpc.use_local_subchannel_pool", 1),
                     ("grpc.max_receive_message_length", -1)])
        self.call = self.channel.unary_stream(
            METHOD, response_deserializer=PROTO.uni.Push.FromString)(request)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        self.connect = None
        if expect_connect:
            first = self.push()
            assert first.HasField("connect"), first
            self.connect = first.connect

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.call.cancel()
        self.channel.close()
        self.thread.join(TIMEOUT_S)

    def read(self):
        try:
            for push in self.call:
                self.queue.put(push)
        except grpc.RpcError:
            pass
        self.code, self.details = self.call.code(), self.call.details()
        self.ended.set()
        self.queue.put(None)

    def any_push(self, timeout_s=TIMEOUT_S):
        """The next push, pings included; None at the end of the stream."""
        try:
            return self.queue.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError("no push came") from None

    def push(self, timeout_s=TIMEOUT_S):
        while True:
            push = self.any_push(timeout_s)
            assert push is not None, f"the stream ended: {self.code} {self.details}"
            if push.ByteSize() > 0:
                return push

    def pub(self, timeout_s=TIMEOUT_S):
        push = self.push(timeout_s)
        assert push.HasField("pub"), push
        return push.pub

    def disconnect(self, timeout_s=TIMEOUT_S):
        """Waits for the disconnect push behind whatever else is queued."""
        while True:
            push = self.push(timeout_s)
            if push.HasField("disconnect"):
                break
        assert self.any_push(timeout_s) is None
        assert self.code == grpc.StatusCode.OK, (self.code, self.details)
        return push.disconnect.code, push.disconnect.reason

    def status(self, timeout_s=TIMEOUT_S):
        """The status code of a stream that is about to end, or has ended."""
        assert self.ended.wait(timeout_s), "the stream goes on"
        return self.code
