"""clients-examples/browser in a real browser, served from another origin than gush's."""
import functools
import http.server
import random
import re
import threading
import urllib.parse

import pytest

from proxy import CutProxy
from server import REPOSITORY, wait_until
from test_browser import browser  # noqa: F401  (a fixture)
from test_clients import CONFIG, PLAIN, STREAM, subscribed

FOLDER = REPOSITORY / "clients-examples" / "browser"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    """The address of the page."""
    handler = functools.partial(Quiet, directory=FOLDER)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()
        thread.join()


@pytest.fixture
def gush(start):
    client = dict(CONFIG["client"], allowed_origins=["http://127.0.0.1:*"])
    server = start(dict(CONFIG, client=client))
    server.keeps_streams = True
    return server


class Page:
    def __init__(self, browser, site, port, *channels, **more):  # noqa: F811
        self.browser = browser
        query = [("server", f"http://127.0.0.1:{port}"), *(("channel", name) for name in channels),
                 *more.items()]
        browser.get(f"{site}?{urllib.parse.urlencode(query)}")

    def said(self):
        return self.browser.execute_script("return document.getElementById('out').textContent")

    def wait_for(self, pattern, timeout_s=20):
        return wait_until(lambda: re.search(pattern, self.said(), re.MULTILINE), timeout_s,
                          f"{pattern} in the page")

    def publications(self):
        return [(int(offset), data) for offset, data in
                re.findall(rf"^{STREAM} #(\d+) (.*)$", self.said(), re.MULTILINE)]


def test_page_prints_what_is_published(gush, site, browser):  # noqa: F811
    page = Page(browser, site, gush.ports["http"], STREAM, PLAIN)
    page.wait_for(rf"^connected [0-9a-f-]+\nsubscribed {STREAM} recovered=- offset=0\n"
                  f"subscribed {PLAIN} recovered=- offset=0$")
    for n in range(1, 101):
        gush.publish(STREAM, b'{"n": %d}' % n)
    gush.publish(PLAIN, b'"<b>\xc3\xa4</b>"')
    page.wait_for(f'^{PLAIN} #0 "<b>ä</b>"$')
    page.wait_for(f"^{STREAM} #100 ")
    assert page.publications() == [(n, f'{{"n":{n}}}') for n in range(1, 101)]


def test_page_recovers_after_cuts(gush, site, browser):  # noqa: F811
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    total, cuts = 300, 0
    with CutProxy(gush.ports["http"]) as proxy:
        page = Page(browser, site, proxy.port, STREAM)
        page.wait_for(f"^subscribed {STREAM} ")
        for n in range(1, total + 1):
            gush.publish(STREAM, b"%d" % n)
            if n % 100 == 50:
                proxy.cut()
                cuts += 1
                mend_at = n + chance.randrange(1, 40)
            elif proxy.is_cut and n == mend_at:
                gush.wait_clients(0)
                proxy.mend()
                wait_until(lambda: len(subscribed(page.said())) == 1 + cuts, 20, "recovery")
        page.wait_for(f"^{STREAM} #{total} ")
        assert page.publications() == [(n, str(n)) for n in range(1, total + 1)]
        assert subscribed(page.said()) == ["-"] + cuts * ["yes"]


def test_page_says_what_is_lost(gush, start, site, browser):  # noqa: F811
    with CutProxy(gush.ports["http"]) as proxy:
        page = Page(browser, site, proxy.port, STREAM)
        page.wait_for(f"^subscribed {STREAM} ")
        gush.publish(STREAM, b"1")
        page.wait_for(f"^{STREAM} #1 1$")
        gush.destroy()  # SIGKILL
        page.wait_for("^reconnecting in ")
        another = start(gush.config)
        another.keeps_streams = True
        proxy.target_port = another.ports["http"]
        page.wait_for(f"^subscribed {STREAM} recovered=no offset=0\nlost {STREAM}$", 30)
        another.publish(STREAM, b"2")
        page.wait_for(f"^{STREAM} #1 2$")


def test_page_is_sent_away(gush, site, browser):  # noqa: F811
    page = Page(browser, site, gush.ports["http"], STREAM, token="nonsense")
    page.wait_for("^disconnected 3500 invalid token$")
    assert "reconnecting" not in page.said()
    page = Page(browser, site, gush.ports["http"], "closed:1")
    page.wait_for("^refused closed:1$")
