"""The rest of the demo page, in a real browser: each transport, positions, the HTTP API, what it
says when something is wrong, keyboard, phone. test_browser.py has the live metrics."""
import json
import re
import urllib.parse

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import certs
import tokens
from browser import Browser, severe
from proxy import CutProxy
from server import OPEN, wait_until

KEY = "key-of-the-page"
STREAM = "hist:page"
TRANSPORTS = ("uni_sse", "uni_sse_post", "uni_http_stream")
CONFIG = {
    "demo": {"enabled": True},
    "http_api": {"key": KEY},
    "uni_http_stream": {"enabled": True},
    "channel": {"namespaces": [
        dict(OPEN, name="hist", history_size=1000, history_ttl="300s", force_recovery=True),
        dict(OPEN, name="who", presence=True, join_leave=True, force_push_join_leave=True),
    ]},
}
PHONE = (320, 640)
TOUCH = 40  # pixels a finger needs at least, in height


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser"), "--ignore-certificate-errors") as one:
        yield one


@pytest.fixture
def open_page(driver, start):
    """open_page(server, channels=[...], ...) opens the page with these settings."""
    def open_one(server, **how):
        driver.get("about:blank")  # a fragment alone would not load the page again
        driver.get_log("browser")
        return Workbench(driver, server, **how)

    yield open_one
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.get("about:blank")  # the server is judged without its clients


@pytest.fixture
def gush(start):
    server = start(CONFIG)
    server.keeps_streams = True
    return server


class Workbench:
    def __init__(self, driver, server, port=None, channels=(STREAM,), transport="uni_sse",
                 scheme="http", **more):
        self.driver, self.server = driver, server
        query = [("transport", transport), *(("channel", name) for name in channels), *more.items()]
        self.origin = f"{scheme}://127.0.0.1:{port or server.ports['http']}"
        driver.get(f"{self.origin}/#{urllib.parse.urlencode(query)}")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def gush(self):
        return json.loads(self.run("return JSON.stringify(window.gush)"))

    def wait(self, condition, what, timeout_s=20):
        try:
            return wait_until(condition, timeout_s, what)
        except AssertionError:
            raise AssertionError(
                f"{what}: {self.gush()} {self.text('#trouble')} {self.text('#positions')} "
                f"{self.text('#happened')} {self.driver.get_log('browser')}") from None

    def wait_state(self, state, timeout_s=20):
        self.wait(lambda: self.gush()["state"] == state, state, timeout_s)
        return self

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css):
        return self.run("return document.querySelector(arguments[0]).innerText", css)

    def wait_text(self, css, pattern, timeout_s=20):
        return self.wait(lambda: re.search(pattern, self.text(css)), f"{pattern} in {css}",
                         timeout_s)

    def fill(self, css, text):
        field = self.find(css)
        self.run("arguments[0].closest('details')?.setAttribute('open', '')", field)
        field.clear()
        field.send_keys(text)

    def click(self, css):
        self.find(css).click()

    def rows(self):
        """[(type, channel, offset or "", preview)], newest first"""
        return [tuple(row) for row in self.run(
            "return [...document.querySelectorAll('#list summary')].map(s => "
            "[...s.children].slice(1).map(e => e.textContent))")]

    def count(self):
        return self.run("return document.getElementById('list').children.length")

    def newest(self):
        """(offset, data) of the first row"""
        return tuple(self.run(
            "const s = document.querySelector('#list summary'); return s ? "
            "[s.querySelector('.offset').textContent, s.lastChild.textContent] : []"))

    def published(self):
        """[(offset, data)] in the order of arrival"""
        return [(int(offset[1:]), data) for kind, channel, offset, data in reversed(self.rows())
                if kind in ("pub", "recovered") and channel == STREAM]

    def position(self, channel=STREAM):
        """(offset, epoch, recovery)"""
        for cells in self.run("return [...document.querySelectorAll('#positions tr')].map(r => "
                              "[...r.children].map(e => e.textContent))"):
            if cells[0] == channel:
                return tuple(cells[1:4])
        return None

    def check_console(self, *allowed):
        complaints = severe(self.driver, allowed)
        assert not complaints, complaints


def recovers(page, proxy, publish):
    """The wire is cut; what is published meanwhile comes, marked, once, in order."""
    server = page.server
    before = [int(offset) for offset, _ in page.published()]
    proxy.cut()
    server.wait_clients(0)
    for n in range(5):
        publish(n)
    proxy.mend()
    page.wait(lambda: page.gush()["recovered"] == 5, "five recovered publications", 30)
    page.wait_text("#positions", "recovered 5")
    publish(5)
    wanted = list(range(1, len(before) + 7))
    page.wait(lambda: [offset for offset, _ in page.published()] == wanted, f"{wanted}")
    assert page.gush()["missed"] == 0
    assert [kind for kind, *_ in page.rows()].count("recovered") == 5


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_transport(gush, open_page, transport):
    """Connects, shows what is published and the position, and comes back after a cut."""
    with CutProxy(gush.ports["http"]) as proxy:
        page = open_page(gush, port=proxy.port, transport=transport, back="position")
        page.wait_state("connected").check_console()
        page.wait(lambda: page.position()[0::2] == ("0", "ready"), "the position")
        for n in range(3):
            epoch = gush.publish(STREAM, b'{"n":%d}' % n).epoch
        page.wait(lambda: page.published() == [(n + 1, f'{{"n":{n}}}') for n in range(3)], "three")
        page.wait(lambda: page.position() == ("3", epoch, "ready"), "the position")
        recovers(page, proxy, lambda n: gush.publish(STREAM, b"%d" % n))
        page.check_console("ERR_")


@pytest.mark.parametrize("transport", TRANSPORTS[:2])
def test_event_ids_carry_the_position(gush, open_page, transport):
    """The same, by Last-Event-ID alone: the request itself asks for no recovery."""
    with CutProxy(gush.ports["http"]) as proxy:
        page = open_page(gush, port=proxy.port, transport=transport).wait_state("connected")
        first = page.wait(lambda: page.gush()["lastEventId"], "an event id")
        gush.publish(STREAM, b"1")
        page.wait(lambda: page.published() == [(1, "1")], "the publication")
        assert page.gush()["lastEventId"] not in ("", first)
        recovers(page, proxy, lambda n: gush.publish(STREAM, b"%d" % n))
        if transport == "uni_sse":
            page.wait_text("#happened", "the browser comes back with Last-Event-ID")
        page.click("#list summary")
        assert page.gush()["lastEventId"] in page.text("#list .pairs")
        assert page.gush()["lastEventId"] in page.text("#event-id")
        page.check_console("ERR_")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_history_that_is_gone_is_told(gush, open_page, transport):
    with CutProxy(gush.ports["http"]) as proxy:
        page = open_page(gush, port=proxy.port, transport=transport).wait_state("connected")
        gush.publish(STREAM, b"1")
        page.wait(lambda: page.published() == [(1, "1")], "the first one")
        proxy.cut()
        gush.wait_clients(0)
        gush.publish(STREAM, b"2")
        gush.api()("HistoryRemove", channel=STREAM)
        proxy.mend()
        page.wait_text("#positions", "not recovered: history gone", 30)
        gush.publish(STREAM, b"3")
        page.wait(lambda: page.published() == [(1, "1"), (3, "3")], "the third one")
        assert page.gush()["missed"] == 1


def test_data_is_shown_as_it_was_published(gush, open_page):
    """No number is changed by JavaScript, and nothing is taken for HTML."""
    page = open_page(gush).wait_state("connected")
    data = '{"big":12345678901234567890,"exact":1.0e2,"html":"<b>\\u00e4</b>","list":[1,[],{}]}'
    gush.publish(STREAM, data.encode(), tags={"to": "all"})
    page.wait(lambda: page.published() == [(1, data)], "the publication")
    page.click("#list summary")
    assert page.text("#list pre") == (
        '{\n  "big": 12345678901234567890,\n  "exact": 1.0e2,\n  "html": "<b>\\u00e4</b>",\n'
        '  "list": [\n    1,\n    [],\n    {}\n  ]\n}')
    assert '{"to":"all"}' in page.text("#list .pairs")
    page.click("#list button")
    push = page.text("#command-text")
    assert data in push and json.loads(push)["channel"] == STREAM
    page.check_console()


def test_joins_and_what_a_backend_does(gush, open_page):
    page = open_page(gush, channels=["who:page"]).wait_state("connected")
    api = gush.api()
    api("Subscribe", user="", channel=STREAM)
    page.wait(lambda: page.position() is not None, "the subscription")
    gush.publish(STREAM, b"1")
    api("Unsubscribe", user="", channel=STREAM)
    page.wait_text("#positions", r"unsubscribed: \w+.* \(2000\)")
    api("Disconnect", user="")
    page.wait_state("refused")
    kinds = ["disconnect", "unsubscribe", "pub", "subscribe", "join", "connect"]
    page.wait(lambda: [kind for kind, *_ in page.rows()] == kinds, f"{kinds}")
    assert "3503" in page.text("#trouble")


def test_server_side_subscriptions_of_a_token(gush, open_page):
    page = open_page(gush, channels=[]).wait_state("connected")
    page.fill("#token", tokens.token(sub="42", exp=tokens.soon(300), channels=[STREAM]))
    assert re.search(r"user 42 .* channels hist:page", page.text("#claims"))
    page.click("#connection .main")
    page.wait(lambda: page.position() is not None, "the channel of the token")
    gush.publish(STREAM, b"1")
    page.wait(lambda: page.published() == [(1, "1")], "the publication")
    assert "ey" not in page.driver.current_url


# ---- HTTP/2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    authority = certs.Authority(tmp_path_factory.mktemp("certs"), "ours")
    return authority.issue("server", names=["127.0.0.1"])


@pytest.fixture
def gush_h2(start, certificate):
    """TLS on the page's port; what the tests look at is on another one, in clear text."""
    cert, key = certificate
    return start(dict(CONFIG, http_server={
        "tls": {"enabled": True, "cert_pem": str(cert), "key_pem": str(key)},
        "tls_external": True, "internal_port": "0"}))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_transport_over_h2(gush_h2, open_page, transport):
    page = open_page(gush_h2, scheme="https", transport=transport).wait_state("connected")
    gush_h2.publish(STREAM, b"1")
    page.wait(lambda: page.published() == [(1, "1")], "the publication")
    assert page.run("return performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
    assert " · h2" in page.text("#facts")
    assert re.search(r"HTTP API\s+–\s+not on this port", page.text("#offered"))
    page.check_console()


def test_many_event_sources_of_one_page(gush_h2, open_page):
    """More than the six connections that a browser gives an origin over HTTP/1.1."""
    page = open_page(gush_h2, scheme="https", channels=[]).wait_state("connected")
    page.run("""
        const url = "/connection/uni_sse?cf_connect=" +
                    encodeURIComponent('{"subs":{"hist:page":{}}}');
        window.heard = Array.from({length: 20}, () => []);
        window.sources = heard.map(list => {
            const source = new EventSource(url);
            source.onmessage = event => list.push(JSON.parse(event.data));
            return source;
        });""")
    page.wait(lambda: page.run("return heard.every(list => list.some(push => push.connect))"),
              "20 EventSources are connected")
    gush_h2.wait_clients(21)
    for n in range(5):
        gush_h2.publish(STREAM, b"%d" % n)
    numbers = "return heard.map(list => list.filter(p => p.pub).map(p => p.pub.data))"
    page.wait(lambda: page.run(numbers) == 20 * [[0, 1, 2, 3, 4]], "everybody has all five")
    page.check_console()
    page.run("sources.forEach(source => source.close())")


# ---- the HTTP API


def test_publish_through_the_api(gush, open_page):
    page = open_page(gush).wait_state("connected")
    page.fill("#api-channel", STREAM)
    page.fill("#data", "{broken")
    page.find("#data").send_keys(Keys.ENTER)
    assert "not JSON" in page.text("#data-wrong")
    page.fill("#data", '{"exact": 1.0e2}')
    page.fill("#tags", '{"a": "b"}')
    page.find("#data").send_keys(Keys.ENTER)
    page.wait_text("#answer-status", "^publish: 401 ")
    assert "http_api.key" in page.text("#answer-hint")
    page.fill("#key", "wrong")
    page.click("#api .main")
    page.wait_text("#answer-status", "^publish: 401 ")
    page.check_console("401")
    page.fill("#key", KEY)
    page.find("#key").send_keys(Keys.ENTER)
    page.wait_text("#answer-status", "^publish: 200 ")
    page.wait(lambda: [data for _, data in page.published()] == ['{"exact": 1.0e2}'], "it comes")
    page.click("#as-sent")
    answer = json.loads(page.text("#answer-body"))
    assert answer["result"]["offset"] == 1
    assert page.text("#answer-hint") == ""
    page.click("#curl-api")
    command = page.text("#command-text")
    assert "/api/publish" in command and '"data":{"exact": 1.0e2}' in command
    assert "$GUSH_API_KEY" in command and KEY not in command
    page.find("#command-copy").send_keys(Keys.ESCAPE)
    page.fill("#api-channel", "plain")
    page.click("#api .main")
    page.wait_text("#answer-hint", "not subscribed to plain")
    page.check_console()


def test_reading_through_the_api(gush, open_page):
    page = open_page(gush, channels=["who:page"]).wait_state("connected")
    page.fill("#key", KEY)
    page.fill("#api-channel", "who:page")
    for method, wanted in [("presence", page.gush()["client"]),
                           ("presence_stats", '"num_clients": 1'), ("info", '"nodes"'),
                           ("history", '"code": 108')]:
        page.click(f"[data-method={method}]")
        page.wait_text("#answer-status", f"^{method}: 200 ")
        assert wanted in page.text("#answer-body")
    assert "history_size" in page.text("#answer-hint")
    gush.publish(STREAM, b"1")
    page.fill("#api-channel", STREAM)
    page.click("[data-method=history]")
    page.wait_text("#answer-body", '"offset": 1')
    page.check_console()


# ---- what is wrong


def test_an_invalid_token(gush, open_page):
    page = open_page(gush).wait_state("connected")
    page.fill("#token", "nonsense")
    assert page.text("#claims") == "This is not a JWT."
    page.find("#token").send_keys(Keys.ENTER)
    page.wait_state("refused")
    assert "invalid token (3500)" in page.text("#trouble") and "gush checktoken" in page.text("#trouble")
    gush.wait_clients(0)
    page.fill("#token", tokens.token(sub="42", exp=tokens.soon(-60)))
    assert "expired" in page.text("#claims")
    page.click("#connection .main")
    page.wait_text("#trouble", r"\(3005\)|expired")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_path_that_is_not_served(gush, open_page, transport):
    page = open_page(gush, transport=transport, path="/nowhere").wait_state("refused")
    assert "HTTP 404" in page.text("#trouble") and "handler_prefix" in page.text("#trouble")
    page.fill("#path", "")
    page.click("#connection .main")
    page.wait_state("connected")
    assert page.text("#trouble") == "" or not page.find("#trouble").is_displayed()


def test_a_refusal_by_status(start, open_page):
    """What EventSource itself does not tell: the status, and what was said with it."""
    mapped = {"enabled": True, "connect_code_to_http_response": {
        "enabled": True, "transforms": [{"code": 3500, "to": {"status_code": 401}}]}}
    server = start(dict(CONFIG, uni_sse=mapped, uni_http_stream=mapped))
    server.keeps_streams = True
    for transport in TRANSPORTS:
        page = open_page(server, transport=transport).wait_state("connected")
        page.fill("#token", "nonsense")
        page.click("#connection .main")
        page.wait_text("#trouble", "HTTP 401: invalid token")
        assert "token" in page.text("#trouble span") and page.gush()["state"] == "refused"


def test_a_limit_is_reached_and_then_not(start, open_page):
    server = start({**CONFIG, "client": {"connection_limit": 1}})
    server.keeps_streams = True
    from sse import Sse
    with Sse(server.ports["http"], {}):
        page = open_page(server)
        page.wait_text("#trouble", "HTTP 503")
        assert "connection_limit" in page.text("#trouble")
    page.wait_state("connected")


def test_a_server_of_another_origin(gush, start, open_page):
    """CORS: refused and said so; allowed, it works."""
    page = open_page(gush).wait_state("connected")
    for transport in TRANSPORTS:
        page.run("document.getElementById('transport').value = arguments[0]", transport)
        page.fill("#server", f"http://localhost:{gush.ports['http']}")
        page.click("#connection .main")
        page.wait_state("refused")
        assert "CORS" in page.text("#trouble") and page.origin in page.text("#trouble")
    other = start(dict(CONFIG, client={"allowed_origins": [page.origin]}))
    other.keeps_streams = True
    for transport in TRANSPORTS:
        page.run("document.getElementById('transport').value = arguments[0]", transport)
        page.fill("#server", f"http://127.0.0.1:{other.ports['http']}")
        page.click("#connection .main")
        other.wait_clients(1)
        page.wait_state("connected")
    page.fill("#server", "http://127.0.0.1:1")
    page.click("#connection .main")
    page.wait_text("#trouble", "no answer from 127.0.0.1:1")


def test_what_answers_here(gush, open_page):
    page = open_page(gush).wait_state("connected")
    page.click("#check")
    page.wait(lambda: page.find("#check").is_enabled(), "the check ends")
    said = page.text("#offered")
    assert len(re.findall(r"connected in \d+ ms", said)) == len(TRANSPORTS), said
    assert "asks for a key" in said and re.search(r"Health\s+/health\s+200 in", said), said
    gush.wait_clients(1)


def test_what_is_off_is_said_to_be_off(start, open_page):
    server = start(dict(CONFIG, uni_http_stream={"enabled": False}, http_api={"disabled": True},
                        uni_sse={"enabled": True, "handler_prefix": "/elsewhere"},
                        health={"enabled": True, "handler_prefix": "/</script>&\""}))
    server.keeps_streams = True
    page = open_page(server).wait_state("connected")
    assert re.search(r"HTTP API\s+–\s+not on this port", page.text("#offered"))
    assert re.search(r"HTTP stream.*\s+–\s+not on this port", page.text("#offered"))
    assert "/elsewhere" in page.text("#offered") and '/</script>&"' in page.text("#offered")
    page.check_console()


# ---- the page itself


def test_link_and_commands_keep_secrets(gush, open_page):
    page = open_page(gush).wait_state("connected")
    secret = tokens.token(sub="secret", exp=tokens.soon(300))
    page.fill("#token", secret)
    page.fill("#key", KEY)
    page.fill("#channels", f"{STREAM} plain")
    page.fill("#filter", "pub")
    page.click("#connection .main")
    page.wait(lambda: page.position("plain"), "both channels")
    for button in ("#curl-stream", "#link"):
        page.click(button)
        said = page.text("#command-text")
        assert secret not in said and KEY not in said and "127.0.0.1" in said
        page.find("#command-copy").send_keys(Keys.ESCAPE)
        assert not page.find("#command").is_displayed()
    link = page.driver.current_url
    assert secret not in link and KEY not in link
    page.driver.get("about:blank")
    page.driver.get(link)
    page.wait_state("connected")
    assert page.find("#filter").get_attribute("value") == "pub"
    assert page.find("#channels").get_attribute("value") == f"{STREAM} plain"
    assert page.find("#token").get_attribute("value") == ""


def test_memory_is_bounded_and_the_list_can_be_held(gush, open_page):
    page = open_page(gush, channels=[STREAM, "plain"]).wait_state("connected")
    calls = [gush.api().future("Publish", channel=STREAM, data=b"%d" % n) for n in range(400)]
    for call in calls:
        call.result()
    page.wait(lambda: page.gush()["received"] == 400, "400 publications")
    page.wait(lambda: page.newest()[0] == "#400", "the last row")
    assert page.count() == 300
    page.click("#pause")
    gush.publish(STREAM, b'"while held"')
    page.wait_text("#held", "1 more")
    assert page.newest()[0] == "#400"
    page.click("#pause")
    page.wait(lambda: page.newest() == ("#401", '"while held"'), "it goes on")
    page.fill("#filter", "while HELD")
    assert [row[2] for row in page.rows()] == ["#401"]
    page.find("#filter").send_keys(Keys.ESCAPE)
    page.wait(lambda: page.count() == 300, "all rows")
    page.click("#clear")
    assert page.count() == 0
    large = json.dumps(50_000 * "x").encode()
    for _ in range(100):
        gush.publish("plain", large)
    gush.publish(STREAM, b'"last"')
    page.wait(lambda: page.newest() == ("#402", '"last"'), "the last one")
    assert 10 < page.count() < 4e6 / len(large) + 1
    page.check_console()


def focused(page):
    return page.run("const e = document.activeElement; return e.id || e.dataset.method || "
                    "e.tagName.toLowerCase()")


def test_keyboard_alone(gush, open_page):
    """In order, each with a name; Enter connects and publishes; arrows move in the list."""
    page = open_page(gush).wait_state("connected")
    gush.publish(STREAM, b"1")
    gush.publish(STREAM, b"2")
    page.wait(lambda: len(page.rows()) == 3, "three rows")

    def press(*keys):
        page.driver.switch_to.active_element.send_keys(*keys)

    def tab_to(name, limit=12):
        for _ in range(limit):
            press(Keys.TAB)
            if focused(page) == name:
                outline = page.run("return getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"the focus is not seen on {name}"
                return
        raise AssertionError(f"{name} is not reached from {focused(page)}")

    order = ["transport", "channels", "token", "summary", "button", "disconnect", "cut",
             "curl-stream", "link", "filter", "pings", "pause", "clear", "summary", "api-channel",
             "data", "key", "summary", "button", "history", "presence", "presence_stats", "info",
             "check"]
    page.run("document.body.focus()")
    walked = []
    for _ in order:
        press(Keys.TAB)
        walked.append(focused(page))
    assert walked == order
    page.run("document.activeElement.blur()")
    tab_to("channels")
    press(Keys.CONTROL, "a")
    press(f"{STREAM} plain", Keys.ENTER)
    page.wait(lambda: page.position("plain"), "Enter connects")
    tab_to("disconnect")
    press(Keys.ENTER)
    page.wait_state("closed")
    press(Keys.ENTER)  # the focus went on to Connect
    page.wait_state("connected")
    tab_to("clear")
    press(Keys.TAB)
    press(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.END)
    press(Keys.ENTER)
    assert page.run("return document.querySelectorAll('#list details[open]').length") == 1
    press(Keys.ESCAPE)
    assert page.run("return document.querySelectorAll('#list details[open]').length") == 0
    tab_to("api-channel")
    press(Keys.CONTROL, "a")
    press(STREAM, Keys.TAB, Keys.TAB)
    assert focused(page) == "key"
    press(KEY, Keys.ENTER)
    page.wait_text("#answer-status", "^publish: 200 ")
    # Everything that takes the focus has a name.
    nameless = page.run(
        "return [...document.querySelectorAll('input, select, textarea, button, summary')]"
        ".filter(e => !(e.labels && e.labels.length) && !e.getAttribute('aria-label') && "
        "!e.textContent.trim()).map(e => e.outerHTML)")
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone(gush, open_page, driver, scheme):
    width, height = PHONE
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": True})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": scheme}]})
    long = "plain-" + 100 * "x"
    page = open_page(gush, channels=[STREAM, long]).wait_state("connected")
    gush.publish(long, json.dumps(500 * "y").encode())
    page.wait(lambda: len(page.rows()) >= 2, "the rows")
    page.click("#list summary")
    page.run("for (const e of document.querySelectorAll('details')) e.open = true")
    page.fill("#key", "wrong")
    page.click("#api .main")
    page.wait_text("#answer-status", "401")
    page.fill("#path", "/nowhere-" + 60 * "z")
    page.click("#connection .main")
    page.wait_state("refused")
    assert page.run("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    small = page.run(
        "return [...document.querySelectorAll('button, input:not([type=checkbox]), select, "
        "label.check, summary')].filter(e => e.checkVisibility() && "
        f"e.getBoundingClientRect().height < {TOUCH}).map(e => e.outerHTML)")
    assert small == []
    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 300) == (scheme == "dark")
