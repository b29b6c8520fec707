"""Presence, joins and leaves."""
from consume import Consume
from server import wait_until
from sse import Sse
from tokens import token

# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")


def test_join_and_leave_pushes(gush):
    with Sse(gush.ports["http"], {"subs": {"who:1": {}}}) as web, Consume(gush, ["who:1"]) as rpc:
        me = web.connect["client"]
        assert web.push() == {"channel": "who:1", "join": {"info": {"user": "", "client": me}}}
        text = token(sub="42", info={"name": "Zoë"})
        other = Consume(gush, ["who:1"], token=text)
        client = other.connect.client
        own = web.push()["join"]["info"]
        assert own == {"user": "", "client": rpc.connect.client}
        join = web.raw_push().decode()
        assert join == ('{"channel":"who:1","join":{"info":{"user":"42","client":"%s",'
                        '"conn_info":{"name":"Zo\\u00eb"}}}}' % client)
        other.close()
        leave = web.push()
        assert leave["leave"]["info"]["client"] == client
        assert leave["leave"]["info"]["user"] == "42"
        kinds = [rpc.push() for _ in range(3)]  # own join, the other's join and leave
        assert [push.join.info.client for push in kinds[:2]] == [rpc.connect.client, client]
        assert kinds[2].leave.info.client == client


def test_nobody_hears_the_own_leave(gush):
    with Sse(gush.ports["http"], {"subs": {"who:1": {}}}) as web:
        web.push()
        gush.signal(15)
        assert web.disconnect() == (3001, "shutdown")  # fails on any push behind it
    gush.check_exit()
    gush.destroy()


def test_presence_ends_with_the_connection(gush):
    api = gush.api()
    rpc, web = Consume(gush, ["who:1"]), Sse(gush.ports["http"], {"subs": {"who:1": {}}})
    assert len(api("Presence", channel="who:1").presence) == 2
    rpc.close()
    wait_until(lambda: len(api("Presence", channel="who:1").presence) == 1)
    web.reset()
    wait_until(lambda: len(api("Presence", channel="who:1").presence) == 0)
    stats = api("PresenceStats", channel="who:1")
    assert (stats.num_clients, stats.num_users) == (0, 0)


def test_users_are_counted_once(gush):
    one, two = token(sub="1"), token(sub="2")
    with Consume(gush, ["who:1"], token=one), Consume(gush, ["who:1"], token=one), \
            Consume(gush, ["who:1"], token=two):
        stats = gush.api()("PresenceStats", channel="who:1")
        assert (stats.num_clients, stats.num_users) == (3, 2)


def test_no_joins_without_the_option(gush):
    with Consume(gush, ["c"]) as rpc, Consume(gush, ["c"]):
        gush.publish("c", b"1")
        assert rpc.pub().data == b"1"
