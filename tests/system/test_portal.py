"""An operator, a real browser, real edges: what a person does and sees in the portal."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from accounts.models import User
from domains.models import Domain
from edge.outbox import flush
from tests.factories import DomainFactory, NodeFactory
from tests.servers import binary, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

QUIET = [
    "disable-gpu",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    "no-sandbox",
]
WAIT = 15_000  # milliseconds until a browser's expectation has failed

Result = TypeVar("Result")


class Browser:
    """Chromium with one page, in a thread of its own.

    Playwright runs an event loop in the thread that uses it, and Django refuses the database to such
    a thread. So the steps of the browser are functions of the page that run there, one after the
    other, and the test's own thread stays a plain one.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.thread.submit(self._open).result()

    def do(self, steps: Callable[..., Result], *arguments: Any) -> Result:
        """Run `steps(page, *arguments)` in the browser's thread; what it raises is raised here."""
        return self.thread.submit(steps, self.page, *arguments).result()

    def close(self) -> None:
        self.thread.submit(self._close).result()
        self.thread.shutdown()

    def _open(self) -> None:
        self.playwright = sync_playwright().start()
        self.chromium = self.playwright.chromium.launch(
            executable_path=binary("chromium"), args=[f"--{option}" for option in QUIET]
        )
        self.page = self.chromium.new_page(viewport={"width": 1400, "height": 1000})
        self.page.set_default_timeout(WAIT)
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.complaints.append(message.text) if message.type == "error" else None,
        )

    def _close(self) -> None:
        self.chromium.close()
        self.playwright.stop()


@pytest.fixture
def browser(live_server) -> Iterator[Browser]:
    """A browser; at the end no script has failed and no other host was asked for anything."""
    User.objects.create_superuser("alice", password="of-alice-2026")
    browser = Browser()
    yield browser
    browser.close()
    assert browser.complaints == []
    assert browser.hosts == {urlsplit(live_server.url).netloc}


# -- what a person does ---------------------------------------------------------------------------


def log_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("of-alice-2026")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Overview").first).to_be_visible(timeout=WAIT)


def add_region(page: Page) -> None:
    page.locator("a[href='/admin/nodes/region/']").first.click()
    page.locator("a[href='/admin/nodes/region/add/']").first.click()
    page.locator("[name=name]").fill("eu-west")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible(timeout=WAIT)


def add_node(page: Page, name: str) -> None:
    page.locator("a[href='/admin/nodes/node/']").first.click()
    page.locator("a[href='/admin/nodes/node/add/']").first.click()
    page.locator("[name=name]").fill(name)
    page.locator(".select2-selection").click()
    page.locator(".select2-search__field").fill("eu")
    page.locator(".select2-results__option", has_text="eu-west").click()
    page.locator("[name=state]").select_option("up")
    page.locator("[name=ipv4]").fill("127.0.0.1")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text(f"start it with manage.py run_edge --node {name}")).to_be_visible(timeout=WAIT)


def fill_domain(page: Page, host: str, ports: list[int], alias: str) -> None:
    page.locator("a[href='/admin/domains/domain/']").first.click()
    page.locator("a[href='/admin/domains/domain/add/']").first.click()
    page.locator("[name=host]").fill(host)
    for number, port in enumerate(ports):
        page.locator("#origins-group a.add-row").last.click()
        page.locator(f"[name=origins-{number}-host]").fill("127.0.0.1")
        page.locator(f"[name=origins-{number}-scheme]").select_option("http")
        page.locator(f"[name=origins-{number}-port]").fill(str(port))
    page.locator("#hostnames-group a.add-row").last.click()
    page.locator("[name=hostnames-0-name]").fill(alias)
    save(page)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and continue editing").click()


def correct_host(page: Page, host: str) -> None:
    sentence = "enter only the host name, without scheme, port or path."
    expect(page.get_by_text(sentence)).to_be_visible(timeout=WAIT)
    page.locator("[name=host]").fill(host)
    save(page)


def see_line(page: Page, text: str) -> None:
    """Wait, without reloading, until the line at the top of the page has this text."""
    expect(page.locator("#status-line")).to_contain_text(text, timeout=WAIT)


# -- what a person sees ---------------------------------------------------------------------------


def test_a_newcomer_clicks_a_site_together_and_both_edges_serve_it(
    browser, live_server, start_edge, start_origin
):
    browser.do(log_in, live_server.url)
    browser.do(lambda page: expect(page.get_by_text("The first three steps")).to_be_visible())
    browser.do(add_region)
    browser.do(add_node, "edge-1")
    browser.do(add_node, "edge-2")
    edges = [start_edge("edge-1"), start_edge("edge-2")]

    ports = [start_origin().port, start_origin().port]
    browser.do(fill_domain, "http://www.shop.example/", ports, "shop.example")
    browser.do(correct_host, "www.shop.example")

    browser.do(see_line, "on 2 of 2 edges, ")
    assert [origin.port for origin in Domain.objects.get().origins.all()] == ports
    for edge in edges:
        for host in ("www.shop.example", "shop.example"):
            assert edge.get(host, "/hello").text in {f"/hello from {port}" for port in ports}

    browser.do(lambda page: page.goto(f"{live_server.url}/admin/"))
    browser.do(lambda page: expect(page.get_by_text("live, has every change")).to_have_count(2))


def test_an_origin_is_edited_and_the_line_goes_through_pending_by_itself(
    browser, live_server, start_edge, start_origin
):
    before, after = start_origin(), start_origin()
    NodeFactory(name="edge-1")
    domain = DomainFactory(host="www.shop.example", origin__port=before.port)
    browser.do(log_in, live_server.url)
    browser.do(lambda page: page.goto(f"{live_server.url}/admin/domains/domain/{domain.pk}/change/"))
    browser.do(see_line, "on 0 of 1 edges, waiting for edge-1 (never heard of)")

    edge = start_edge("edge-1")
    browser.do(see_line, "on 1 of 1 edges")
    browser.do(lambda page: page.locator("[name=origins-0-port]").fill(str(after.port)))
    browser.do(save)
    browser.do(see_line, "on 1 of 1 edges, ")
    assert edge.get("www.shop.example", "/new").text == f"/new from {after.port}"


def test_with_redis_down_one_logs_in_and_saves_and_it_follows_by_itself(
    browser, live_server, keyspace, start_edge, start_origin
):
    NodeFactory(name="edge-1")
    start_edge("edge-1")
    keyspace.stop()

    browser.do(log_in, live_server.url)
    browser.do(fill_domain, "www.shop.example", [start_origin().port], "shop.example")
    told = "The change is saved, and not yet on the edges"
    browser.do(lambda page: expect(page.get_by_text(told)).to_be_visible())
    browser.do(see_line, "Redis cannot be reached")
    assert Domain.objects.get().host == "www.shop.example"

    keyspace.start()
    eventually(flush)  # what beat does every five seconds
    browser.do(see_line, "on 1 of 1 edges")


def test_disabling_a_domain_asks_first_and_the_edge_answers_404(
    browser, live_server, start_edge, start_origin
):
    NodeFactory(name="edge-1")
    DomainFactory(host="www.shop.example", origin__port=start_origin().port)
    edge = start_edge("edge-1")
    assert edge.get("www.shop.example").status_code == 200

    def disable(page: Page) -> None:
        page.locator("a[href='/admin/domains/domain/']").first.click()
        page.locator("input.action-select").first.check()
        page.locator("select[name=action]").select_option("disable")
        page.get_by_role("button", name="Run").click()
        expect(page.get_by_text("The edges will answer 404")).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name="Yes").click()
        expect(page.get_by_text("not on the edges: disabled")).to_be_visible(timeout=WAIT)

    browser.do(log_in, live_server.url)
    browser.do(disable)
    eventually(lambda: edge.get("www.shop.example").status_code == 404)
