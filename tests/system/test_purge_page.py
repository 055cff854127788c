"""An operator purges in the portal, in a real browser, and sees a real edge do it."""

import pytest
from playwright.sync_api import Page, expect

from tests.factories import DomainFactory, NodeFactory
from tests.servers import OriginAnswer, eventually
from tests.system.test_portal import WAIT, browser, log_in  # noqa: F401

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def purge_from_the_page_of(page: Page, url: str, path: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="Purge…").click()
    expect(page.locator("[name=domain] option:checked")).to_have_text("www.example.com")
    page.locator("[name=names]").fill(path)
    page.get_by_role("button", name="Purge", exact=True).click()
    expect(page.get_by_text(f"Asked to be purged: www.example.com: {path}.")).to_be_visible(timeout=WAIT)


def see_it_done(page: Page) -> None:
    panel = page.locator("#purge-status")
    expect(panel).to_contain_text("done: on 1 of 1 edges", timeout=WAIT)
    expect(panel).to_contain_text("edge-1: applied")


def see_it_in_the_list(page: Page) -> None:
    page.locator("a[href='/admin/edge/purge/']").first.click()
    expect(page.get_by_text("done: on 1 of 1 edges").first).to_be_visible(timeout=WAIT)


def test_a_purge_is_followed_in_the_browser_until_the_edge_has_it(
    browser,  # noqa: F811
    live_server,
    edge_settings,
    start_edge,
    origin,
):
    origin.answer = lambda request: OriginAnswer(
        body=f"{len(origin.requests)}".encode(), headers=(("Cache-Control", "max-age=3600"),)
    )
    NodeFactory(name="edge-1")
    domain = DomainFactory(host="www.example.com", origin__port=origin.port)
    edge = start_edge("edge-1")
    before = eventually(lambda: edge.get(domain.host, "/a").text)
    browser.do(log_in, live_server.url)
    browser.do(purge_from_the_page_of, f"{live_server.url}/admin/domains/domain/{domain.pk}/change/", "/a")
    browser.do(see_it_done)
    assert edge.get(domain.host, "/a").text != before
    browser.do(see_it_in_the_list)
