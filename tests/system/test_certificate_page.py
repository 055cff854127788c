"""An operator turns on HTTPS in a real browser, uploads a certificate, and sees a real edge serve it."""

import pytest
from celery import current_app
from playwright.sync_api import Page, expect

from certificates.deployment.handshakes import Target, handshakes
from certificates.models import Enrollment
from tests.certificates.house import the_house
from tests.certificates.renewal.test_worker import worker
from tests.factories import DomainFactory
from tests.servers import eventually
from tests.system.test_certificate_deployment import HOST, fleet  # noqa: F401
from tests.system.test_portal import WAIT, browser, log_in, save  # noqa: F401

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def panel_says(page: Page, text: str) -> None:
    expect(page.locator("#certificate-panel")).to_contain_text(text, timeout=2 * WAIT)


def turn_on_https(page: Page, url: str) -> None:
    page.goto(url)
    panel_says(page, "HTTPS is not turned on")
    page.locator("[name=tls]").check()
    save(page)
    panel_says(page, "a placeholder is served until one is issued: browsers warn of it")


def upload(page: Page, certificate: str, key: str) -> None:
    page.get_by_role("link", name="Upload…").click()
    expect(page.locator("[name=domains]")).to_have_value(HOST)
    page.locator("[name=certificate_text]").fill(certificate)
    page.locator("[name=key_text]").fill(key)
    page.get_by_role("button", name="Upload", exact=True).click()


def be_refused_and_try_again(page: Page, certificate: str, key: str) -> None:
    expect(page.get_by_text("The private key does not belong to the certificate")).to_be_visible(timeout=WAIT)
    expect(page.locator("[name=key_text]")).to_have_value("")
    page.locator("[name=key_text]").fill(key)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text(f"The certificate is on its way to the edges for {HOST}.")).to_be_visible(
        timeout=WAIT
    )


def see_it_served(page: Page) -> None:
    panel_says(page, "served on 1 of 1, valid until ")
    panel_says(page, "Next: nothing by itself")
    page.locator("#certificate-panel").get_by_text("Edges", exact=True).click()
    expect(page.locator("[data-edge=edge-1]")).to_have_text("edge-1: serves it")


def see_it_in_the_calendar(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/certificates/certificate/calendar/")
    expect(page.get_by_role("link", name=HOST)).to_be_visible(timeout=WAIT)


def test_https_is_turned_on_a_certificate_is_uploaded_and_the_page_follows_it_to_the_edge(
    browser,  # noqa: F811
    live_server,
    fleet,  # noqa: F811
    origin,
    monkeypatch,
):
    monkeypatch.setenv("CIRRUS_HTTPS_PORT", str(fleet.port))
    fleet.add("edge-1")
    domain = DomainFactory(host=HOST, origin__port=origin.port)
    certificate, key = (text.decode() for text in the_house().bundle(HOST))
    _, other_key = the_house().bundle(HOST)
    with worker():
        eventually(lambda: current_app.control.ping(timeout=0.5), within=90)
        browser.do(log_in, live_server.url)
        browser.do(turn_on_https, f"{live_server.url}/admin/domains/domain/{domain.pk}/change/")
        placeholder = Enrollment.objects.get(domain=domain).current
        eventually(lambda: fleet.served() == {"edge-1": placeholder.fingerprint}, within=60)
        browser.do(upload, certificate, other_key.decode())
        browser.do(be_refused_and_try_again, certificate, key)
        browser.do(see_it_served)
    current = Enrollment.objects.get(domain=domain).current
    (served,) = handshakes(
        [Target("edge-1", fleet.addresses["edge-1"], HOST)], port=fleet.port, allow=["127.0.0.0/8"]
    )
    assert served.fingerprint == current.fingerprint != placeholder.fingerprint
    browser.do(see_it_in_the_calendar, live_server.url)
