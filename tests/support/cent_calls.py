"""Every method of the server API by the official Python client; run by its own Python, see
test_http_api_cent.py.

    cent_calls.py URL KEY       a user "u" is connected and subscribed to who:room
"""
import asyncio
import sys

import cent

URL, KEY = sys.argv[1:]
SINCE = cent.StreamPosition(offset=1)


def requests(channel):
    """(name, request, what the result must satisfy)"""
    note = {"text": "<\u2028&> \U0001f600", "n": 1.5}
    return [
        ("publish", cent.PublishRequest(channel=channel, data=note, tags={"k": "v"}),
         lambda r: r.offset == 1 and r.epoch),
        ("publish", cent.PublishRequest(channel=channel, data=[], idempotency_key=channel,
                                        delta=True, version=7, version_epoch="e"),
         lambda r: r.offset == 2),
        ("publish", cent.PublishRequest(channel=channel, data={}, b64data="eyJhIjoxfQ=="),
         lambda r: r.offset == 3),
        ("publish", cent.PublishRequest(channel=channel, data=0, skip_history=True),
         lambda r: r.offset == 0),
        ("broadcast", cent.BroadcastRequest(channels=[channel, "plain", "no:such"], data="x"),
         lambda r: [(each.error.code if each.error else each.result.offset)
                    for each in r.responses] == [4, 0, 102]),
        ("history", cent.HistoryRequest(channel=channel, limit=10, since=SINCE),
         lambda r: [p.data for p in r.publications] == [[], {"a": 1}, "x"] and r.offset == 4),
        ("history", cent.HistoryRequest(channel=channel, limit=10),
         lambda r: r.publications[0].data == note and r.publications[0].tags == {"k": "v"}),
        ("history", cent.HistoryRequest(channel=channel, limit=1, reverse=True),
         lambda r: [p.offset for p in r.publications] == [4]),
        ("history_remove", cent.HistoryRemoveRequest(channel=channel), lambda r: True),
        ("history", cent.HistoryRequest(channel=channel, limit=-1),
         lambda r: r.publications == [] and r.offset == 4),
        ("presence", cent.PresenceRequest(channel="who:room"),
         lambda r: [info.user for info in r.presence.values()] == ["u"]),
        ("presence_stats", cent.PresenceStatsRequest(channel="who:room"),
         lambda r: (r.num_clients, r.num_users) == (1, 1)),
        ("channels", cent.ChannelsRequest(pattern="who:*"),
         lambda r: r.channels["who:room"].num_clients == 1),
        ("info", cent.InfoRequest(),
         lambda r: len(r.nodes) == 1 and r.nodes[0].num_clients == 1 and r.nodes[0].metrics),
        ("subscribe", cent.SubscribeRequest(
            user="u", channel="extra", info={"i": 1}, data={"d": 2}, recover_since=SINCE,
            override=cent.ChannelOptionsOverride(presence=cent.BoolValue(value=False))),
         lambda r: True),
        ("unsubscribe", cent.UnsubscribeRequest(user="u", channel="extra"), lambda r: True),
        ("refresh", cent.RefreshRequest(user="u", expire_at=4000000000), lambda r: True),
        ("disconnect", cent.DisconnectRequest(
            user="nobody", disconnect=cent.Disconnect(code=4000, reason="why"), whitelist=["x"]),
         lambda r: True),
    ]


def check(name, result, is_right):
    assert is_right(result), f"{name}: {result!r}"


def check_batch(channel, result):
    for (name, _, is_right), reply in zip(requests(channel), result.replies, strict=True):
        check(f"{name} in a batch", reply, is_right)


def expect_error(error, call):
    try:
        call()
    except error as caught:
        return caught
    raise AssertionError(f"no {error.__name__}")


def synchronous():
    client = cent.Client(URL, KEY)
    for name, request, is_right in requests("hist:sync"):
        check(name, getattr(client, name)(request), is_right)
    every = requests("hist:batch")
    check_batch("hist:batch", client.batch(cent.BatchRequest(requests=[r for _, r, _ in every])))
    assert expect_error(cent.CentApiResponseError, lambda: client.publish(
        cent.PublishRequest(channel="no:such", data=1))).code == 102
    parallel = client.batch(cent.BatchRequest(requests=[r for _, r, _ in every[-4:]], parallel=True))
    assert len(parallel.replies) == 4
    expect_error(cent.CentUnauthorizedError,
                 lambda: cent.Client(URL, "other").info(cent.InfoRequest()))
    assert expect_error(cent.CentTransportError, lambda: client.connections(
        cent.ConnectionsRequest(user="u", expression=""))).status_code == 404


async def asynchronous():
    client = cent.AsyncClient(URL, KEY)
    for name, request, is_right in requests("hist:async"):
        check(name, await getattr(client, name)(request), is_right)
    every = requests("hist:abatch")
    check_batch("hist:abatch",
                await client.batch(cent.BatchRequest(requests=[r for _, r, _ in every])))
    await client.close()


synchronous()
asyncio.run(asynchronous())
print("all done")
