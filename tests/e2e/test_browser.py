"""The demo page in a real browser: numbers move, the wire is cut, nothing is lost.

test_workbench.py has the rest of the page.

Needs chromium and chromedriver in PATH. Screenshots go to build/screenshots/.
"""
import json

import pytest

from browser import Browser, severe
from proxy import CutProxy
from server import REPOSITORY, wait_until
from test_examples import demo, feeder  # noqa: F401  (demo is a fixture)

SCREENSHOTS = REPOSITORY / "build" / "screenshots"


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path) as driver:
        yield driver


class Page:
    def __init__(self, browser, port):
        self.browser = browser
        browser.get(f"http://127.0.0.1:{port}/")

    def state(self):
        return json.loads(self.browser.execute_script("return JSON.stringify(window.gush || {})"))

    def wait(self, condition, timeout_s=20, what="the page"):
        last = {}

        def check():
            last.update(self.state())
            try:
                return condition(last)
            except KeyError:
                return False
        try:
            wait_until(check, timeout_s, what)
        except AssertionError:
            raise AssertionError(f"{what}: {last} {self.browser.get_log('browser')}") from None
        return dict(last)

    def text(self):
        return self.browser.execute_script("return document.body.innerText")

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def check_console(self, allowed=()):
        """No script error; a cut connection may be reported as a network error."""
        complaints = severe(self.browser, allowed)
        assert not complaints, complaints


def published(server):
    return server.api(key="demo")("History", channel="metrics:host").offset


def test_numbers_move(demo, browser, tmp_path):  # noqa: F811
    feed = feeder(demo, tmp_path)
    page = Page(browser, demo.ports["http"])
    first = page.wait(lambda gush: gush["received"] >= 3, what="three publications")
    before = page.text()
    later = page.wait(lambda gush: gush["received"] >= first["received"] + 10, what="ten more")
    assert later["missed"] == 0 and later["lastN"] >= first["lastN"] + 10
    assert later["epoch"] and later["offset"] >= later["received"]
    assert 0 <= later["latencyMs"] < 5000
    assert page.text() != before, "the visible numbers stand still"
    page.screenshot("live")
    page.check_console(allowed=["favicon"])
    feed.end()


def recovered_without_loss(page, server, before):
    """The page is back, has everything that was published, and knows of no gap."""
    target = published(server) + 5
    after = page.wait(lambda gush: gush["offset"] >= target and gush["recovered"] > 0, 30,
                      "recovery")
    assert after["missed"] == 0, after
    assert after["reconnects"] > before["reconnects"]
    assert after["recovered"] > before["recovered"]
    assert after["epoch"] == before["epoch"]
    # Every offset since the first look was received once.
    assert after["received"] - before["received"] == after["offset"] - before["offset"], \
        (before, after)
    assert after["lastN"] - before["lastN"] == after["offset"] - before["offset"]
    return after


def test_cut_by_the_page(demo, browser, tmp_path):  # noqa: F811
    feed = feeder(demo, tmp_path, "--rate", "20")
    page = Page(browser, demo.ports["http"])
    before = page.wait(lambda gush: gush["received"] >= 5)
    browser.execute_script("window.gushCut()")
    after = recovered_without_loss(page, demo, before)
    browser.execute_script("window.gushCut()")
    recovered_without_loss(page, demo, after)
    page.screenshot("after-gushcut")
    page.check_console(allowed=["favicon"])
    feed.end()


def test_cut_wire(demo, browser, tmp_path):  # noqa: F811
    with CutProxy(demo.ports["http"]) as proxy:
        feed = feeder(demo, tmp_path, "--rate", "20")
        page = Page(browser, proxy.port)
        before = page.wait(lambda gush: gush["received"] >= 5)
        proxy.cut()
        demo.wait_clients(0)
        missed_from = published(demo)
        wait_until(lambda: published(demo) >= missed_from + 20)
        page.screenshot("wire-cut")
        proxy.mend()
        after = recovered_without_loss(page, demo, before)
        assert after["recovered"] - before["recovered"] >= 20
        page.screenshot("after-wire-cut")
        page.check_console(allowed=["favicon", "ERR_"])
        feed.end()


def test_server_restart(demo, start, browser, tmp_path):  # noqa: F811
    """A new server has a new epoch: the page notices, says so by a new epoch, and goes on."""
    with CutProxy(demo.ports["http"]) as proxy:
        feed = feeder(demo, tmp_path, "--rate", "20")
        page = Page(browser, proxy.port)
        before = page.wait(lambda gush: gush["received"] >= 5)
        feed.end()
        second = start(base=demo.config, env=dict(demo.env))
        second.keeps_streams = True
        proxy.target_port = second.ports["http"]
        proxy.cut()
        proxy.mend()
        feed = feeder(second, tmp_path, "--rate", "20")
        page.wait(lambda gush: gush["epoch"] not in ("", before["epoch"]) and gush["offset"] >= 5,
                  30, "the new epoch")
        feed.end()
