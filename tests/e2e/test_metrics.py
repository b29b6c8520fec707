"""/metrics in the words of the reference, the same figures in Info, and /debug/slow."""
import gzip
import json
import re
import socket

import pytest

from consume import Consume, position
from server import ApiError, wait_until
from sse import Sse

ON = {"prometheus": {"enabled": True}}
SERIES = re.compile(r'^([a-z_]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')

# Of the families that exist here: type and labels, from the table of the reference.
FAMILIES = {
    "centrifugo_node_num_clients": ("gauge", set()),
    "centrifugo_node_num_users": ("gauge", set()),
    "centrifugo_node_num_subscriptions": ("gauge", set()),
    "centrifugo_node_num_channels": ("gauge", set()),
    "centrifugo_node_num_nodes": ("gauge", set()),
    "centrifugo_node_build": ("gauge", {"version"}),
    "centrifugo_node_action_count": ("counter", {"action", "channel_namespace"}),
    "centrifugo_node_messages_sent_count": ("counter", {"type", "channel_namespace"}),
    "centrifugo_node_messages_received_count": ("counter", {"type", "channel_namespace"}),
    "centrifugo_node_client_connection_limit": ("counter", set()),
    "centrifugo_client_command_duration_seconds_histogram":
        ("histogram", {"method", "channel_namespace"}),
    "centrifugo_client_num_server_unsubscribes": ("counter", {"code", "channel_namespace"}),
    "centrifugo_client_num_server_disconnects": ("counter", {"code"}),
    "centrifugo_client_recover":
        ("counter", {"recovered", "channel_namespace", "has_recovered_publications"}),
    "centrifugo_client_recovered_publications": ("histogram", {"channel_namespace"}),
    "centrifugo_client_connections_accepted":
        ("counter", {"transport", "accept_protocol", "client_name", "client_version"}),
    "centrifugo_client_connections_inflight":
        ("gauge", {"transport", "accept_protocol", "client_name", "client_version"}),
    "centrifugo_client_subscriptions_accepted": ("counter", {"client_name", "channel_namespace"}),
    "centrifugo_client_subscriptions_inflight": ("gauge", {"client_name", "channel_namespace"}),
    "centrifugo_transport_messages_sent":
        ("counter", {"transport", "frame_type", "channel_namespace"}),
    "centrifugo_transport_messages_sent_size":
        ("counter", {"transport", "frame_type", "channel_namespace"}),
    "centrifugo_broker_publish_suppressed_count": ("counter", {"reason", "channel_namespace"}),
    "centrifugo_api_command_duration_seconds_histogram": ("histogram", {"protocol", "method"}),
    "centrifugo_api_command_errors_total": ("counter", {"protocol", "method", "error"}),
}


class Page:
    def __init__(self, server):
        status, headers, body = server.internal("GET", "/metrics")
        assert status == 200
        assert headers["Content-Type"] == \
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        self.types, self.labels, self.values = {}, {}, {}
        for line in body.decode().splitlines():
            if line.startswith("# TYPE "):
                name, kind = line[7:].split()
                assert name not in self.types, f"{name} has two heads"
                self.types[name] = kind
            elif not line.startswith("# HELP "):
                self.add(*SERIES.match(line).groups())

    def add(self, name, labels, value):
        labels = dict(LABEL.findall(labels or ""))
        family = re.sub("_(bucket|sum|count)$", "", name) if name not in self.types else name
        self.labels.setdefault(family, set()).update(set(labels) - {"le"})
        key = (name, frozenset(labels.items()))
        assert key not in self.values, f"{key} twice"
        self.values[key] = float(value)

    def value(self, name, **labels):
        """The only series of |name| with these labels, or 0."""
        found = [value for (series, of), value in self.values.items()
                 if series == name and set(labels.items()) <= of]
        assert len(found) <= 1, found
        return found[0] if found else 0


def test_off_by_default(gush):
    assert gush.http("GET", "/metrics")[0] == 404


def test_on_the_internal_listener_only(start):
    server = start(dict(ON, http_server={"internal_address": "127.0.0.1", "internal_port": "0"}))
    external = dict(server.ports)
    assert server.http("GET", "/metrics")[0] == 404
    server.ports["http"] = external["http_internal"]
    assert server.http("GET", "/metrics")[0] == 200
    assert server.http("POST", "/metrics")[0] == 200  # as the reference: any method


def test_the_page_is_packed_for_who_takes_that(start):
    server = start(ON)
    status, fields, packed = server.http("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    assert (status, fields["Content-Encoding"]) == (200, "gzip")
    page = gzip.decompress(packed)
    assert b"\ncentrifugo_node_num_clients 0\n" in page and len(packed) < len(page) / 2
    plain = server.http("GET", "/metrics")
    assert plain[1]["Content-Encoding"] is None
    assert b"\ncentrifugo_node_num_clients 0\n" in plain[2]


def test_what_happens_is_counted(start):
    server = start(merged_with_histogram())
    port = server.ports["http"]
    with Sse(port, {"subs": {"c": {}, "hist:a": {}}}) as web, Consume(server, ["c", "who:1"]) as rpc:
        server.publish("c", b'{"a":1}')
        first = server.publish("hist:a", b'{"a":1}', idempotency_key="x")
        server.publish("hist:a", b'{"a":1}', idempotency_key="x")
        web.push(), web.push(), rpc.push()
        with pytest.raises(ApiError):
            server.publish("nowhere:c", b"1")
        server.api()("History", channel="hist:a", limit=1)
        server.api()("Unsubscribe", channel="c", user="")
        web.push()
        wait_until(lambda: Page(server).value("centrifugo_transport_messages_sent",
                                              frame_type="push_unsubscribe",
                                              transport="uni_grpc") == 1)
        page = Page(server)
        inflight = "centrifugo_client_connections_inflight"
        assert page.value(inflight, transport="uni_sse") == 1
        assert page.value(inflight, transport="uni_grpc") == 1
        assert page.value("centrifugo_node_num_clients") == 2
        assert page.value("centrifugo_node_num_subscriptions") == 2
        # {"channel":"c","pub":{"data":{"a":1}}} and one with offset and epoch
        size = len('{"channel":"c","pub":{"data":{"a":1}}}') + \
            len('{"channel":"hist:a","pub":{"data":{"a":1},"offset":1,"epoch":""}}') + len(first.epoch)
        sent = dict(transport="uni_sse", frame_type="push_publication")
        assert page.value("centrifugo_transport_messages_sent", **sent) == 2
        assert page.value("centrifugo_transport_messages_sent_size", **sent) == size
        assert page.value("centrifugo_client_num_server_unsubscribes", code="2000") == 2
        assert page.value("centrifugo_node_messages_sent_count", type="publication") == 3
        assert page.value("centrifugo_node_messages_received_count", type="publication") == 2
        assert page.value("centrifugo_node_messages_sent_count", type="join") == 1
        assert page.value("centrifugo_broker_publish_suppressed_count", reason="idempotency") == 1
        assert page.value("centrifugo_node_action_count", action="history") == 1
        assert page.value("centrifugo_api_command_errors_total", method="publish", error="102",
                          protocol="grpc") == 1
        assert page.value("centrifugo_api_command_duration_seconds_histogram_count",
                          method="publish", protocol="grpc") == 4
        assert page.value("centrifugo_api_command_duration_seconds_histogram_bucket",
                          method="publish", protocol="grpc", le="+Inf") == 4
        assert page.value("process_resident_memory_bytes") > 1 << 20
        assert page.value("gush_gate_open", listener="uni_grpc") == 1
        server.api()("Disconnect", user="")
        assert web.disconnect()[0] == 3503
    server.wait_clients(0)
    with Consume(server, {"hist:a": position(0, first.epoch)}):
        pass
    server.wait_clients(0)
    page = Page(server)
    assert page.value("centrifugo_client_num_server_disconnects", code="3503") == 2
    assert page.value("centrifugo_client_connections_inflight", transport="uni_sse") == 0
    assert page.value("centrifugo_client_subscriptions_inflight") == 0
    assert page.value("centrifugo_client_recover", recovered="yes",
                      has_recovered_publications="yes") == 1
    assert page.value("centrifugo_client_recovered_publications_sum") == 1
    for name, (kind, labels) in FAMILIES.items():
        if name != "centrifugo_node_client_connection_limit":
            assert name in page.types, name
        assert page.types.get(name, kind) == kind
        assert page.labels.get(name, labels) == labels, name
    strange = [name for name in page.types
               if name.startswith("centrifugo_") and name not in FAMILIES]
    assert not strange


REQUESTS = "centrifugo_node_incoming_http_requests_total"
DURATION = "centrifugo_api_command_duration_seconds_histogram"


def test_http_requests_are_counted_by_route(start):
    """As the reference counts them, whose labels these are; nobody makes a label by asking for it."""
    server = start({"prometheus": {"enabled": True, "instrument_http_handlers": True},
                    "http_server": {"internal_port": "0"}, "init": {"enabled": True},
                    "http_api": {"insecure": True}})
    for method, path, body in (
            ("DELETE", "/health", None), ("GET", "/health", None), ("GET", "/health?x", None),
            ("POST", "/api/publish", b'{"channel":"c","data":{}}'),
            ("POST", "/api/history", b"bad"), ("BREW", "/api", b""), ("GET", "/nope/%41", None),
            ("GET", "/health/", None)):
        server.internal(method, path, body)
    for _ in range(3):
        server.http("GET", "/connection/init")
    with Sse(server.ports["http"], {"subs": {"c": {}}}):
        pass
    server.wait_clients(0)

    def counted():
        page = Page(server)
        assert page.types[REQUESTS] == "counter"
        assert page.labels[REQUESTS] == {"method", "path", "status"}
        return {tuple(dict(labels)[name] for name in ("method", "path", "status")): value
                for (name, labels), value in page.values.items()
                if name == REQUESTS and dict(labels)["path"] not in ("/metrics", "/debug/live")}

    wait_until(lambda: len(counted()) >= 7)
    assert counted() == {
        ("DELETE", "/health", "200"): 1, ("GET", "/health", "200"): 2,
        ("POST", "/api/publish", "200"): 1, ("POST", "/api/history", "400"): 1,
        ("other", "/api", "405"): 1, ("GET", "/connection/init", "200"): 3,
        ("GET", "/connection/uni_sse", "200"): 1}


def test_http_requests_are_not_counted_unasked(start):
    server = start(ON)
    assert server.http("GET", "/health")[0] == 200
    assert REQUESTS not in Page(server).types


def test_calls_over_http_are_counted_as_such(start):
    server = start(dict(ON, http_api={"insecure": True}))
    for path, body in (("publish", b'{"channel":"c","data":{}}'), ("history", b'{"channel":"c"}'),
                       ("history", b"bad"), ("publish", b'{"channel":"unknown:1","data":{}}')):
        server.http("POST", f"/api/{path}", body)
    page = Page(server)
    assert page.value(DURATION + "_count", method="publish", protocol="http") == 2
    assert page.value(DURATION + "_bucket", method="publish", protocol="http", le="+Inf") == 2
    assert page.value(DURATION + "_bucket", method="publish", protocol="http", le="0.005") <= 2
    errors = "centrifugo_api_command_errors_total"
    assert page.value(errors, method="history", error="108", protocol="http") == 1
    assert page.value(errors, method="history", error="unmarshal", protocol="http") == 1
    assert page.value(errors, method="publish", error="102", protocol="http") == 1
    bounds = {float(dict(labels)["le"]) for (name, labels), _ in page.values.items()
              if name == DURATION + "_bucket"}
    assert bounds == {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, float("inf")}


def test_transports_are_told_apart(start):
    server = start({"prometheus": {"enabled": True}, "uni_http_stream": {"enabled": True}})
    with Sse(server.ports["http"], {"subs": {"c": {}}}), Consume(server, ["c"]):
        body = b"{}"
        connection = socket.create_connection(("127.0.0.1", server.ports["http"]), 10)
        connection.sendall(b"POST /connection/uni_http_stream HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        wait_until(lambda: Page(server).value("centrifugo_client_connections_inflight",
                                              transport="uni_http_stream") == 1)
        page = Page(server)
        for transport in ("uni_sse", "uni_http_stream", "uni_grpc"):
            assert page.value("centrifugo_client_connections_accepted", transport=transport) == 1
            assert page.value("centrifugo_transport_messages_sent", transport=transport,
                              frame_type="push_connect") == 1
            assert page.value("gush_queue_clients", transport=transport) == 0
        connection.close()
    server.wait_clients(0)


def merged_with_histogram():
    return {"prometheus": {"enabled": True, "recovered_publications_histogram": True}}


def test_info_tells_the_last_interval(start):
    server = start({"node": {"info_metrics_aggregate_interval": "1s"}})
    published = "centrifugo.node.messages_sent_count.type.publication"

    def metrics():
        return server.api()("Info").nodes[0].metrics

    assert metrics().interval == 1
    assert metrics().items["centrifugo.node.num_clients"] == 0  # the first snapshot is there at once
    with Consume(server, ["c"]) as rpc:
        for _ in range(5):
            server.publish("c", b"1")
            rpc.pub()
        wait_until(lambda: metrics().items["centrifugo.node.num_clients"] == 1)
    assert not [key for key in metrics().items if not key.startswith("centrifugo.")]
    # Differences: what was counted once is not told for ever.
    wait_until(lambda: metrics().items[published] == 0 and
               metrics().items["centrifugo.node.num_clients"] == 0)
    assert metrics().items["centrifugo.transport.messages_sent.transport.uni_grpc."
                           "frame_type.push_publication"] == 0


def test_nobody_is_slow(gush):
    with Consume(gush, ["c"]):
        slow = json.loads(gush.http("GET", "/debug/slow")[2])
    assert slow == {"waiting": 0, "messages": 0, "bytes": 0, "slowest": []}


def test_who_is_slow_is_named(start):
    server = start({"client": {"queue_max_size": 1 << 24}})
    streams = [Sse(server.ports["http"], {"subs": {channel: {}}}, receive_buffer=4096)
               for channel in ["c"] * 30 + ["d"]]
    for _ in range(100):
        server.publish("c", b'"%s"' % (b"x" * 60000))
    for _ in range(150):
        server.publish("d", b'"%s"' % (b"x" * 60000))
    slow = wait_until(lambda: (lambda s: s if s["waiting"] == 31 else None)(
        json.loads(server.http("GET", "/debug/slow")[2])))
    assert len(slow["slowest"]) == 20, "a bounded list"
    first = slow["slowest"][0]
    assert first["channel"] == "d" and first["transport"] == "uni_sse" and first["user"] == ""
    assert first["client"] == streams[-1].connect["client"]
    assert [one["bytes"] for one in slow["slowest"]] == \
        sorted((one["bytes"] for one in slow["slowest"]), reverse=True)
    assert slow["bytes"] > sum(one["bytes"] for one in slow["slowest"])
    for stream in streams:
        stream.close()
    server.wait_clients(0)
