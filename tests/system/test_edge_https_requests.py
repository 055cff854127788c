"""HTTPS: redirects to it, HSTS, other hosts than the handshake's, client certificates."""

import base64
import json
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from django.core.management import call_command

from nodes.models import Node
from tests.factories import CacheRuleFactory, DomainFactory, HostNameFactory
from tests.servers import OriginAnswer, binary, eventually
from tests.system.edge_documents import Documents
from tests.system.secured import EDGE_KEYS, PLAIN, Authority, Handshake, ask, certificate_body, secure

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

HSTS = {"max_age": 3600, "subdomains": True}
CERTIFICATE_HEADERS = (
    *("x-client-cert-verify", "x-client-cert-fingerprint", "x-client-cert-subject"),
    *("client-cert", "client-cert-chain"),
)


@pytest.fixture
def edge(one_node, start_edge):
    return start_edge("edge-1", CIRRUS_HTTPS_PORT="8443", **EDGE_KEYS)


@pytest.fixture
def documents(keyspace, edge):
    return Documents(keyspace, edge)


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def make_domain(edge, origin):
    """`make_domain("alias.example")`: a domain that the edge serves, whose origin tells what it was asked."""

    def answer(request):
        told = {name.lower(): value for name, value in request.headers.items()}
        return OriginAnswer(
            body=json.dumps(told).encode(),
            headers=(("Cache-Control", "max-age=60"), ("Strict-Transport-Security", "max-age=1")),
        )

    origin.answer = answer

    def make(*aliases):
        domain = DomainFactory(origin__port=origin.port)
        for alias in aliases:
            HostNameFactory(domain=domain, name=alias)
        for host in (domain.host, *aliases):
            eventually(lambda host=host: edge.get(host, "/known").status_code == 200)
        return domain

    return make


# -- from http to https ------------------------------------------------------------------------------


def test_http_leads_to_https_only_where_a_real_certificate_is_for_this_very_name(
    edge, documents, authority, make_domain
):
    domain = make_domain("alias.example")
    tls = {**PLAIN, "https_only": True, "hsts": HSTS}
    documents.change(domain, tls=tls)
    assert edge.get(domain.host, "/a", allow_redirects=False).status_code == 200
    secure(documents, domain, authority, tls=tls, placeholder=True)
    assert edge.get(domain.host, "/a", allow_redirects=False).status_code == 200
    secure(documents, domain, authority, tls=tls)
    for method in ("GET", "POST"):
        answer = edge.request(method, domain.host, "/a%2Fb?c=%2C", allow_redirects=False)
        assert answer.status_code == 308
        assert answer.headers["Location"] == f"https://{domain.host}:8443/a%2Fb?c=%2C"
        assert "Strict-Transport-Security" not in answer.headers
    assert edge.get("alias.example", "/a", allow_redirects=False).status_code == 200


def test_the_candidate_is_tried_by_one_edge_and_counts_there(edge, documents, authority, make_domain):
    domain = make_domain()
    documents.change(domain, tls={**PLAIN, "https_only": True})
    body = {"id": domain.pk, "host": domain.host}
    for node, status in [("edge-2", 200), ("edge-1", 308)]:
        candidate = {"node": node, **certificate_body(authority, domain.host)}
        documents.put("certificate", domain.host, {**body, "current": None, "candidate": candidate})
        assert edge.get(domain.host, "/a", allow_redirects=False).status_code == status


def test_a_challenge_is_answered_where_all_else_is_sent_to_https_and_over_https_too(
    edge, documents, authority, make_domain
):
    domain = make_domain()
    secure(documents, domain, authority, tls={**PLAIN, "https_only": True})
    documents.put(
        "challenge", domain.host, {"id": domain.pk, "host": domain.host, "tokens": {"t": "t.proof"}}
    )
    path = "/.well-known/acme-challenge/t"
    assert edge.get(domain.host, path, allow_redirects=False).text == "t.proof"
    assert ask(edge, domain.host, path).text == "t.proof"
    assert edge.get(domain.host, path + "x", allow_redirects=False).status_code == 308


@pytest.mark.parametrize("way", ["memory", "cache", "past"])
def test_hsts_is_told_over_https_in_place_of_the_origins_and_never_over_http(
    edge, documents, authority, make_domain, way
):
    domain = make_domain()
    if way == "past":
        CacheRuleFactory(domain=domain, bypass=True)
    secure(documents, domain, authority, tls=PLAIN)
    times = 8 if way == "memory" else 2
    assert ask(edge, domain.host, "/a").headers.get_all("Strict-Transport-Security") == ["max-age=1"]
    secure(documents, domain, authority, tls={**PLAIN, "hsts": HSTS})
    for _ in range(times):
        answer = ask(edge, domain.host, "/b")
        assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=3600; includeSubDomains"]
    assert answer.headers["X-Cache"] == ("BYPASS" if way == "past" else "HIT")
    assert "Strict-Transport-Security" not in edge.get(domain.host, "/b").headers
    secure(documents, domain, authority, tls={**PLAIN, "hsts": HSTS}, placeholder=True)
    assert ask(edge, domain.host, "/c").headers["Strict-Transport-Security"] == "max-age=1"


def test_the_cache_keeps_https_and_http_apart_and_the_origin_is_told_which(
    edge, documents, authority, make_domain
):
    domain = make_domain()
    secure(documents, domain, authority, tls=PLAIN)
    for ask_twice, scheme in [
        (lambda: json.loads(ask(edge, domain.host, "/a").text), "https"),
        (lambda: edge.get(domain.host, "/a").json(), "http"),
    ]:
        assert [ask_twice()["x-forwarded-proto"] for _ in range(2)] == [scheme, scheme]
    assert ask(edge, domain.host, "/a").headers["X-Cache"] == "HIT"


# -- other hosts than the handshake's ------------------------------------------------------------------


def test_a_request_for_another_host_than_the_handshakes_is_served_where_the_certificate_is_for_it(
    edge, documents, authority, make_domain
):
    own, shared, other = make_domain("alias.example"), make_domain(), make_domain()
    secure(documents, own, authority, own.host, shared.host, tls=PLAIN)
    for domain in (shared, other):
        secure(documents, domain, authority, tls=PLAIN)
    handshake = Handshake(edge, own.host)
    asked = {host: handshake.ask(host, "/a").status for host in (own.host, "alias.example", shared.host)}
    assert set(asked.values()) == {200}
    refused = handshake.ask(other.host, "/a")
    assert refused.status == 421
    assert "another host" in refused.text
    assert handshake.ask("unknown.example").status == 421
    assert handshake.ask(own.host.upper(), "/a").status == 200
    handshake.close()
    assert ask(edge, own.host, "/a", name=own.host.upper()).status == 200
    assert ask(edge, own.host, "/a", name=shared.host).status == 421


def test_a_placeholder_is_for_no_other_domain(edge, documents, authority, make_domain):
    own, shared = make_domain(), make_domain()
    secure(documents, own, authority, own.host, shared.host, tls=PLAIN, placeholder=True)
    secure(documents, shared, authority, tls=PLAIN)
    assert ask(edge, shared.host, "/a", name=own.host).status == 421
    assert ask(edge, own.host, "/a").status == 200


def test_a_domain_without_tls_is_not_served_over_the_handshake_of_another(
    edge, documents, authority, make_domain
):
    own, plain = make_domain(), make_domain()
    secure(documents, own, authority, own.host, plain.host, tls=PLAIN)
    refused = ask(edge, plain.host, "/a", name=own.host)
    assert refused.status == 421
    assert "not served over HTTPS" in refused.text


def test_where_one_of_two_domains_asks_for_client_certificates_none_is_reached_through_the_other(
    edge, documents, authority, make_domain, tmp_path
):
    careful, easy = make_domain("till.example"), make_domain()
    tls = {**PLAIN, "client_auth": "optional", "client_ca": authority.pem}
    names = [careful.host, easy.host]
    secure(documents, careful, authority, *names, tls=tls)
    secure(documents, easy, authority, *names, tls=PLAIN)
    client, _ = authority.client("till-7", tmp_path)
    assert ask(edge, easy.host, "/a", name=careful.host, client=client).status == 421
    assert ask(edge, careful.host, "/a", name=easy.host, client=client).status == 421
    assert ask(edge, "till.example", "/a", name=careful.host, client=client).status == 200


# -- client certificates -----------------------------------------------------------------------------


@pytest.fixture
def careful(documents, authority, make_domain):
    """`careful("required")`: a domain that asks for client certificates of `authority`."""

    def make(client_auth):
        domain = make_domain()
        tls = {**PLAIN, "client_auth": client_auth, "client_ca": authority.pem}
        secure(documents, domain, authority, tls=tls)
        return domain

    return make


def told(answer):
    """What the origin was told of the client's certificate."""
    return {name: value for name, value in json.loads(answer.text).items() if name in CERTIFICATE_HEADERS}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_origin_is_told_of_the_certificate_that_was_verified_and_not_what_the_client_says(
    edge, authority, careful, tmp_path, method
):
    domain = careful("required")
    client, certificate = authority.client("till-7", tmp_path)
    lies = dict.fromkeys(CERTIFICATE_HEADERS, "a lie")
    answer = ask(edge, domain.host, "/a", client=client, method=method, headers=lies)
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert told(answer) == {
        "x-client-cert-verify": "SUCCESS",
        "x-client-cert-fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "x-client-cert-subject": "CN=till-7",
        "client-cert": f":{base64.b64encode(der).decode()}:",
    }


def test_without_an_accepted_certificate_a_site_that_requires_one_answers_403(
    edge, authority, careful, tmp_path, origin
):
    domain = careful("required")
    asked = len(origin.requests)
    none = ask(edge, domain.host, "/a")
    assert (none.status, "none was shown" in none.text) == (403, True)
    strangers, _ = Authority("Strangers").client("till-7", tmp_path)
    stranger = ask(edge, domain.host, "/a", client=strangers)
    assert (stranger.status, "does not accept" in stranger.text) == (403, True)
    assert edge.get(domain.host, "/a").status_code == 403
    assert len(origin.requests) == asked


def test_where_certificates_are_optional_the_origin_is_told_what_became_of_it(
    edge, authority, careful, tmp_path
):
    domain = careful("optional")
    assert told(ask(edge, domain.host, "/a")) == {"x-client-cert-verify": "NONE"}
    strangers, _ = Authority("Strangers").client("till-7", tmp_path)
    failed = told(ask(edge, domain.host, "/a", client=strangers))
    assert list(failed) == ["x-client-cert-verify"]
    assert failed["x-client-cert-verify"].startswith("FAILED:")
    client, _ = authority.client("till-8", tmp_path)
    assert told(ask(edge, domain.host, "/a", client=client))["x-client-cert-subject"] == "CN=till-8"
    assert told(edge.get(domain.host, "/b")) == {}


def test_what_one_client_gets_is_not_given_to_another(edge, authority, careful, tmp_path):
    domain = careful("required")
    clients = [authority.client(f"till-{number}", tmp_path)[0] for number in range(2)]
    seen = [ask(edge, domain.host, "/a", client=client) for client in clients]
    assert [answer.headers["X-Cache"] for answer in seen] == ["BYPASS", "BYPASS"]
    assert [told(answer)["x-client-cert-subject"] for answer in seen] == ["CN=till-0", "CN=till-1"]


def test_what_a_rule_gives_to_all_is_fetched_without_telling_who_asks_and_still_asked_for(
    edge, documents, authority, make_domain, tmp_path
):
    domain = make_domain()
    CacheRuleFactory(domain=domain, force=True)
    eventually(lambda: "rules" in json.loads(documents.client.get(f"cdn:dom:{domain.host}")))
    tls = {**PLAIN, "client_auth": "required", "client_ca": authority.pem}
    secure(documents, domain, authority, tls=tls)
    client, _ = authority.client("till-7", tmp_path)
    seen = [ask(edge, domain.host, "/a", client=client) for _ in range(2)]
    assert [answer.headers["X-Cache"] for answer in seen] == ["MISS", "HIT"]
    assert told(seen[0]) == {}
    assert ask(edge, domain.host, "/a").status == 403


# -- what is seen of it ------------------------------------------------------------------------------


def test_the_log_says_how_a_request_was_secured(edge, documents, authority, make_domain):
    domain = make_domain()
    secure(documents, domain, authority, tls=PLAIN)
    handshake = Handshake(edge, domain.host)
    assert handshake.ask(domain.host, "/logged").status == 200
    protocol, (cipher, *_) = handshake.socket.version(), handshake.socket.cipher()
    handshake.close()
    lines = (edge.folder / "access.log").read_text
    line = eventually(lambda: next((each for each in lines().splitlines() if '"/logged"' in each), ""))
    fields = json.loads(line)
    assert fields["scheme"] == "https"
    assert (fields["tls_protocol"], fields["tls_cipher"]) == (protocol, cipher)
    assert (fields["tls_server_name"], fields["tls_resumed"]) == (domain.host, "no")


def test_the_command_says_how_a_site_is_secured_and_where_http_leads(
    edge, documents, authority, make_domain, capsys
):
    domain = make_domain()
    secure(documents, domain, authority, tls={**PLAIN, "https_only": True, "hsts": HSTS})
    Node.objects.update(status_address="127.0.0.1", status_port=edge.status_port)
    call_command("explain_url", f"http://{domain.host}/a", "--node", "edge-1")
    assert "redirects it to https" in capsys.readouterr().out
    call_command("explain_url", f"https://{domain.host}/a", "--node", "edge-1")
    said = capsys.readouterr().out
    assert "through the cache" in said
    assert "HSTS max-age=3600; includeSubDomains" in said
    assert "a certificate until " in said


def test_http_2_serves_several_hosts_over_one_connection_and_sends_others_away(
    edge, documents, authority, make_domain
):
    own, shared, other = make_domain(), make_domain(), make_domain()
    secure(documents, own, authority, own.host, shared.host, tls=PLAIN)
    for domain in (shared, other):
        secure(documents, domain, authority, tls=PLAIN)
    url = f"https://{own.host}:{edge.https_port}/a"
    words = ["-sk", "--http2", "--resolve", f"{own.host}:{edge.https_port}:127.0.0.1", "-o", "/dev/null"]
    words += ["-w", "%{http_version} %{http_code}\n"]
    for host, said in [(own.host, "2 200"), (shared.host, "2 200"), (other.host, "2 421")]:
        command = [binary("curl"), *words, "-H", f"Host: {host}", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout.strip() == said


def test_an_edge_that_starts_alone_serves_https_and_redirects_from_its_own_snapshot(
    edge, documents, authority, make_domain
):
    domain = make_domain()
    secure(documents, domain, authority, tls={**PLAIN, "https_only": True})
    edge.stop()
    edge.settings["CIRRUS_EDGE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    edge.start()
    assert ask(edge, domain.host, "/a").status == 200
    assert edge.get(domain.host, "/a", allow_redirects=False).status_code == 308
    snapshot = (edge.folder / "snapshot").read_text()
    assert (
        f'"key":"{json.loads(documents.client.get(f"cdn:cert:{domain.host}"))["current"]["key"]}"' in snapshot
    )
    assert "PRIVATE KEY" not in snapshot
