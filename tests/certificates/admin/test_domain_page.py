"""The page of a domain: what it says of its certificate, and what can be done there."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from accounts.models import User
from certificates.admin.panel import domain_panel
from certificates.checks.reading import read_pem
from certificates.deployment import certificate_upload, deploy
from certificates.deployment.storing import certificate_store
from certificates.models import Authority, Certificate, Enrollment
from tests.certificates.house import DAY, NOW, the_house
from tests.factories import DomainFactory, HostNameFactory, NodeFactory
from tests.pages import messages_of

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "www.example.com"


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host=HOST, tls=True)


def url(name, domain):
    return reverse(f"admin:certificates_{name}", args=[domain.pk])


def page(client, domain):
    answer = client.get(reverse("admin:domains_domain_change", args=[domain.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def issued(domain, *names, served=None, **more):
    """A certificate from an authority, as the current one."""
    enrollment = Enrollment.objects.get(domain=domain)
    certificate = certificate_store(
        read_pem(*the_house().bundle(*names or [HOST], **more)),
        source=Certificate.Source.ACME,
        enrollment=enrollment,
    )
    certificate.served = served or {}
    certificate.save()
    if enrollment.current and enrollment.current.source != Certificate.Source.PLACEHOLDER:
        enrollment.previous = enrollment.current
    enrollment.current, enrollment.issued_at = certificate, NOW
    enrollment.save()
    return certificate


def panel(domain):
    domain.refresh_from_db()
    return domain_panel(domain, now=NOW)


# -- what it says -----------------------------------------------------------------------------------


def test_without_https_it_says_how_to_turn_it_on(admin_client, keyspace):
    domain = DomainFactory()
    assert "tick “Serve HTTPS” and save" in page(admin_client, domain)
    assert "Issue now" not in page(admin_client, domain)


def test_with_a_placeholder_it_says_so_and_asks_again_by_itself(admin_client, domain):
    text = page(admin_client, domain)
    assert "a placeholder is served until one is issued: browsers warn of it" in text
    assert url("certificate", domain) in text and "Next: " in text
    assert "Issue now" in text and "Export the chain" not in text


def test_it_says_what_is_served_until_when_and_on_how_many_edges(admin_client, domain):
    for name in ("edge-1", "edge-2"):
        NodeFactory(name=name)
    certificate = issued(domain, served={"edge-1": {"at": 1, "ok": True, "why": ""}})
    line = panel(domain).line
    assert line.tone == "pending"
    assert line.sentence == (
        f"served on 1 of 2, valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC (80 days left)"
    )
    certificate.served["edge-2"] = {"at": 1, "ok": True, "why": ""}
    certificate.save()
    assert panel(domain).line.tone == "ok"
    certificate.served["edge-2"] = {"at": 1, "ok": False, "why": "it serves another certificate"}
    certificate.save()
    assert panel(domain).line.tone == "refused"
    text = page(admin_client, domain)
    assert "edge-2: it serves another certificate" in text
    assert "Next: renewal on" in text and "89% is left" in text


def test_edges_that_do_not_serve_clients_do_not_count(domain):
    NodeFactory(name="edge-1")
    NodeFactory(name="edge-2", state="maintenance")
    issued(domain, served={name: {"at": 1, "ok": True, "why": ""} for name in ("edge-1", "edge-2")})
    assert panel(domain).line.sentence.startswith("served on 1 of 1, ")


def test_what_is_wrong_is_in_the_line(domain):
    certificate = issued(domain)
    HostNameFactory(domain=domain, name="example.com")
    assert "not for example.com" in panel(domain).line.sentence
    for change, words in (
        ({"revoked_at": NOW}, "was revoked"),
        ({"not_after": NOW - DAY}, "has ended"),
    ):
        Certificate.objects.filter(pk=certificate.pk).update(**change)
        line = panel(domain).line
        assert (line.tone, words in line.sentence) == ("refused", True)
    row = Enrollment.objects.get(domain=domain)
    row.current = None
    row.save()
    assert "there is no certificate" in panel(domain).line.sentence
    row.candidate, row.candidate_node = certificate, "edge-1"
    row.save()
    assert panel(domain).line.sentence == "a new certificate is being tried on edge-1"


def test_no_key_is_on_any_page(admin_client, domain):
    certificate = issued(domain)
    row = Enrollment.objects.get(domain=domain)
    pages = [
        page(admin_client, domain),
        admin_client.get(
            reverse("admin:certificates_certificate_change", args=[certificate.pk])
        ).content.decode(),
        admin_client.get(reverse("admin:certificates_enrollment_change", args=[row.pk])).content.decode(),
        admin_client.get(url("export", domain)).content.decode(),
    ]
    assert not any(certificate.key in text or "PRIVATE KEY-----" in text for text in pages)


def test_the_records_for_proof_by_dns_are_shown_with_what_to_do(admin_client, domain, settings):
    assert not panel(domain).asks_dns  # the edges prove it
    HostNameFactory(domain=domain, name="*.example.com")
    assert panel(domain).asks_dns and url("delegation", domain) in page(admin_client, domain)
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": ["127.0.0.1:9"]})
    text = admin_client.get(url("delegation", domain)).content.decode()
    assert "example.com lies in none of our zones" in text
    assert "www.example.com" not in text  # that one the edges prove
    assert 'hx-trigger="every 10s"' in text


def test_https_is_turned_on_in_the_form(admin_client, keyspace):
    domain = DomainFactory(host=HOST)
    for name in ("tls", "https_only", "hsts_max_age", "hsts_subdomains", "tls_policy", "client_ca"):
        assert f'name="{name}"' in page(admin_client, domain)


# -- what can be done -------------------------------------------------------------------------------


def test_issue_now_asks_for_one_and_takes_over_from_an_upload(admin_client, domain):
    material = read_pem(*the_house().bundle(HOST))
    certificate_upload(material=material, domains=[domain])
    assert admin_client.get(url("issue", domain)).status_code == 405
    answer = admin_client.post(url("issue", domain))
    assert messages_of(answer) == ["A certificate is requested; this page follows it."]
    row = Enrollment.objects.get(domain=domain)
    assert (row.source, row.requested_at is not None) == ("acme", True)


def test_issue_now_needs_https(admin_client, keyspace):
    domain = DomainFactory()
    assert messages_of(admin_client.post(url("issue", domain))) == ["Turn on “Serve HTTPS” first."]


def test_the_one_before_is_served_again_after_a_question(admin_client, domain):
    first = issued(domain)
    second = issued(domain, begin=NOW - DAY)
    assert "Back to the one before…" in page(admin_client, domain)
    asked = admin_client.get(url("revert", domain))
    assert "All edges will serve the certificate from Test House R1 again" in asked.content.decode()
    assert Enrollment.objects.get(domain=domain).current == second
    admin_client.post(url("revert", domain))
    row = Enrollment.objects.get(domain=domain)
    assert (row.current, row.previous) == (first, second)
    assert "The certificate before is served again" in LogEntry.objects.latest("pk").change_message


def test_without_one_before_it_is_said(admin_client, domain):
    issued(domain)
    assert "Back to the one before" not in page(admin_client, domain)
    answer = admin_client.post(url("revert", domain))
    assert messages_of(answer) == ["www.example.com has no certificate before the one of now."]


def test_revoking_asks_for_the_reason_and_says_what_the_authority_answers(admin_client, domain):
    certificate = issued(domain)
    certificate.authority = Authority.objects.create(name="gone", directory_url="https://127.0.0.1:9/dir")
    certificate.save()
    text = admin_client.get(url("revoke", domain)).content.decode()
    assert "Somebody else may have the private key" in text and "cannot be taken back" in text
    answer = admin_client.post(url("revoke", domain), {"reason": "keyCompromise", "reissue": "on"})
    assert "gone cannot be asked" in messages_of(answer)[0]
    certificate.refresh_from_db()
    assert certificate.revoked_at is None
    assert admin_client.post(url("revoke", domain), {"reason": "odd"}).status_code == 200


def test_what_was_uploaded_is_revoked_elsewhere(admin_client, domain):
    certificate_upload(material=read_pem(*the_house().bundle(HOST)), domains=[domain])
    deploy(Enrollment.objects.get(domain=domain).pk)
    assert "Revoke…" not in page(admin_client, domain)
    assert "Only what an authority has issued" in messages_of(admin_client.get(url("revoke", domain)))[0]


def test_the_chain_is_exported_as_a_file(admin_client, domain):
    assert admin_client.get(url("export", domain)).status_code == 404  # a placeholder helps nobody
    certificate = issued(domain)
    answer = admin_client.get(url("export", domain))
    assert answer["Content-Disposition"] == 'attachment; filename="www.example.com.pem"'
    assert answer.content.decode() == certificate.chain


# -- who may ----------------------------------------------------------------------------------------


def test_who_may_only_look_at_domains_sees_and_does_nothing_of_certificates(client, domain):
    user = User.objects.create_user("bob", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_domain"))
    client.force_login(user)
    issued(domain)
    assert "certificate-panel" not in page(client, domain)
    for name in ("certificate", "delegation", "revert", "revoke", "export"):
        assert client.get(url(name, domain)).status_code == 403
    assert client.post(url("issue", domain)).status_code == 403


def test_who_may_look_at_certificates_has_no_buttons_that_change_them(client, domain):
    user = User.objects.create_user("carol", is_staff=True)
    for codename in ("view_domain", "view_certificate"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(user)
    issued(domain)
    issued(domain, begin=NOW - DAY)
    text = page(client, domain)
    assert "Export the chain" in text
    for words in ("Issue now", "Upload…", "Back to the one before", "Revoke…", "How it is issued"):
        assert words not in text
    assert client.post(url("revert", domain)).status_code == 403
