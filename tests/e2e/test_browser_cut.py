"""A browser's own reconnect, without a line of JavaScript for it: the ids of events carry the
position, so nothing is lost and nothing comes twice wherever the wire is cut, and whoever cannot go
on is told so.

Needs chromium and chromedriver in PATH.
"""
import json
import signal
import threading

import pytest

from browser import Browser, severe
from cutting import CONNECT, START, CuttingProxy
from proxy import CutProxy
from server import wait_until

PATH = "/connection/uni_sse"
CONFIG = {
    "uni_sse": {"retry": "1ms"},
    "channel": {"without_namespace": {"history_size": 5000, "history_ttl": "300s",
                                      "force_recovery": True}},
}
PAGE = """
window.heard = {}; window.told = []; window.errors = 0;
const subs = Object.fromEntries(arguments[0].map(channel => [channel, {}]));
const source = window.source = new EventSource('/connection/uni_sse?cf_connect=' +
                               encodeURIComponent(JSON.stringify({subs: subs})));
const hear = (channel, pub) => (heard[channel] ||= []).push(pub.data);
source.onerror = () => errors++;
source.onmessage = event => {
    const push = JSON.parse(event.data);
    if (push.pub) hear(push.channel, push.pub);
    for (const [channel, sub] of Object.entries(push.connect?.subs || {})) {
        told.push([channel, !!sub.was_recovering, !!sub.recovered]);
        for (const pub of sub.publications || []) hear(channel, pub);
    }
};
"""


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path) as driver:
        yield driver


class Page:
    def __init__(self, browser, port, channels):
        self.browser = browser
        browser.get(f"http://127.0.0.1:{port}/health")
        browser.execute_script(PAGE, channels)

    def state(self):
        return json.loads(self.browser.execute_script(
            "return JSON.stringify({heard: heard, told: told, errors: errors})"))

    def close(self):
        self.browser.execute_script("window.source.close()")

    def wait(self, condition, timeout_s=20, what="the page"):
        def check():
            state = self.state()
            return state if condition(state) else None
        return wait_until(check, timeout_s, what)


class Publisher(threading.Thread):
    """Publishes 1, 2, 3, ... in turn into each of |channels|, until it is told to stop."""

    def __init__(self, server, channels):
        super().__init__()
        self.server, self.channels = server, channels
        self.enough, self.count, self.error = threading.Event(), 0, None
        self.start()

    def run(self):
        try:
            while not self.enough.wait(0.003):
                number = self.count + 1
                for channel in self.channels:
                    self.server.publish(channel, b"%d" % number)
                self.count = number
        except Exception as error:  # told by end()
            self.error = error

    def end(self):
        self.enough.set()
        self.join(20)
        assert self.error is None and not self.is_alive(), self.error
        return self.count


@pytest.mark.parametrize("channels", [["a"], ["a", "b"]], ids=["one-channel", "two-channels"])
def test_cut_at_every_tenth_byte(start, browser, channels):
    server = start(CONFIG)
    server.keeps_streams = True
    # In turn: somewhere from the beginning, which is in the head or the connect push for long; and
    # somewhere behind the connect push, so that what was missed is recovered before the next one.
    cuts = [(where, count) for count in range(10, 1501, 10) for where in (CONNECT, START)]
    with CuttingProxy(server.ports["http"], PATH, cuts) as proxy:
        page = Page(browser, proxy.port, channels)
        page.wait(lambda state: state["told"], what="the first connect")
        publisher = Publisher(server, channels)
        try:
            wait_until(lambda: proxy.streams > len(cuts), 90, "all the cuts")
        finally:
            count = publisher.end()
        state = page.wait(lambda state: all(len(state["heard"].get(channel, [])) >= count
                                            for channel in channels), what="the last publication")
        expected = list(range(1, count + 1))
        for channel in channels:
            assert state["heard"][channel] == expected
        # Chromium itself asks again when a connection that it had used before is reset at once.
        assert count > 100 and state["errors"] > len(cuts) * 9 // 10
        back = state["told"][len(channels):]
        assert len(back) >= len(cuts) // 2 * len(channels)
        assert all(was_recovering and recovered for _, was_recovering, recovered in back)
        assert not severe(browser, allowed=["favicon", "ERR_"])
        page.close()
    server.wait_clients(0)


@pytest.mark.parametrize("secret", ["", "of all servers"], ids=["random-key", "same-key"])
def test_server_killed_and_restarted(start, browser, secret):
    """The history is gone with the server. The page is told, and goes on."""
    config = dict(CONFIG, uni_sse={"retry": "10ms", "event_id_secret": secret})
    first = start(config)
    first.keeps_streams = True
    with CutProxy(first.ports["http"]) as proxy:
        page = Page(browser, proxy.port, ["a", "b"])
        page.wait(lambda state: len(state["told"]) == 2, what="the first connect")
        for number in range(1, 6):
            first.publish("a", b"%d" % number)
        page.wait(lambda state: state["heard"].get("a") == [1, 2, 3, 4, 5])
        first.signal(signal.SIGKILL)
        first.process.wait(20)
        first.destroy()
        second = start(config)
        second.keeps_streams = True
        second.publish("a", b"6")  # of another stream, before anybody is back
        proxy.target_port = second.ports["http"]
        state = page.wait(lambda state: len(state["told"]) >= 4, what="the second connect")
        assert sorted(state["told"][2:4]) == [["a", True, False], ["b", True, False]]
        second.publish("a", b"7")
        second.publish("b", b"8")
        state = page.wait(lambda state: state["heard"].get("b") == [8])
        assert state["heard"]["a"] == [1, 2, 3, 4, 5, 7] and len(state["told"]) == 4
        page.close()
        second.wait_clients(0)
