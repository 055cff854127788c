"""HTTP-01: what certificate authorities ask an edge for, answered from memory and at once."""

import pytest

from tests.factories import CacheRuleFactory, DomainFactory, HostNameFactory
from tests.servers import OriginAnswer, eventually
from tests.system.edge_documents import Documents

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

TOKEN, PROOF = "xvaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", "xvaGxfADs6pSRb2LAv9IZf17Dt3juxGJ.9jg46WB3rR"
PATH = f"/.well-known/acme-challenge/{TOKEN}"


@pytest.fixture
def documents(keyspace, edge):
    return Documents(keyspace, edge)


@pytest.fixture
def domain(edge, origin):
    origin.answer = lambda request: OriginAnswer(
        body=b"the origin's", headers=[("Cache-Control", "max-age=60")]
    )
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def ask_for(documents, host, *tokens):
    documents.put("challenge", host, {"id": 1, "host": host, "tokens": dict.fromkeys(tokens, PROOF)})


def assert_answered_from_memory(response):
    assert (response.status_code, response.text) == (200, PROOF)
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Cache"] == "NONE"


def test_a_token_is_answered_at_every_name_of_its_domain_until_it_is_withdrawn(
    edge, documents, domain, origin
):
    HostNameFactory(domain=domain, name="alias.example")
    eventually(lambda: edge.get("alias.example", "/known").status_code == 200)
    assert edge.get(domain.host, PATH).text == "the origin's"
    ask_for(documents, domain.host, TOKEN)
    asked = origin.asked(PATH)
    for host in (domain.host, "alias.example"):
        assert_answered_from_memory(edge.get(host, PATH))
        assert_answered_from_memory(edge.get(host, "/.well-known/./acme-challenge/" + TOKEN + "?x=1"))
    assert edge.request("HEAD", domain.host, PATH).headers["Content-Length"] == str(len(PROOF))
    assert origin.asked(PATH) == asked
    documents.withdraw("challenge", domain.host)
    assert edge.get(domain.host, PATH).text == "the origin's"


def test_any_other_token_and_any_other_domain_go_to_the_origin_and_its_cache(edge, documents, domain, origin):
    other = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(other.host, "/known").status_code == 200)
    ask_for(documents, domain.host, TOKEN)
    for host, path in [
        (domain.host, PATH + "x"),
        (domain.host, PATH + "/"),
        (domain.host, "/x" + PATH),
        (domain.host, "/.well-known/acme-challenge/"),
        (other.host, PATH),
    ]:
        assert edge.get(host, path).text == "the origin's"
        assert edge.get(host, path).headers["X-Cache"] == "HIT"


def test_it_is_answered_where_nothing_is_cached_and_while_the_origin_fails(edge, documents, domain, origin):
    CacheRuleFactory(domain=domain, bypass=True)
    ask_for(documents, domain.host, TOKEN)
    eventually(lambda: edge.get(domain.host, "/known").headers["X-Cache"] == "BYPASS")
    origin.stop()
    assert_answered_from_memory(edge.get(domain.host, PATH))


def test_it_is_answered_for_a_domain_that_this_edge_does_not_serve(edge, documents, domain):
    ask_for(documents, "refused.example", TOKEN)
    assert_answered_from_memory(edge.get("refused.example", PATH))
    assert edge.get("refused.example", PATH + "x").status_code == 404
    assert edge.get("unknown.example", PATH).status_code == 404


def test_it_is_answered_after_a_start_without_redis(edge, documents, domain, keyspace):
    ask_for(documents, domain.host, TOKEN)
    edge.stop()
    edge.settings["CIRRUS_EDGE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    edge.start()
    assert_answered_from_memory(edge.get(domain.host, PATH))


def test_a_site_that_asks_for_client_certificates_is_not_served_over_http_but_its_challenges_are(
    edge, documents, domain
):
    ca = "-----BEGIN CERTIFICATE-----\nMIIB\n"
    tls = {"policy": "modern", "https_only": False, "client_auth": "required", "client_ca": ca}
    documents.change(domain, tls=tls)
    ask_for(documents, domain.host, TOKEN)
    assert_answered_from_memory(edge.get(domain.host, PATH))
    refused = edge.get(domain.host, "/known")
    assert refused.status_code == 403
    assert "HTTPS only" in refused.text
    documents.change(domain, tls={**tls, "client_auth": "optional"})
    assert edge.get(domain.host, "/known").headers["X-Cache"] == "BYPASS"


@pytest.mark.parametrize("path", ["/known", "/.well-known/acme-challenge/other"])
def test_no_client_can_tell_the_origin_that_it_has_a_certificate(edge, domain, origin, path):
    names = ["X-Client-Cert-Verify", "X-Client-Cert-Fingerprint", "X-Client-Cert-Subject", "Client-Cert"]
    headers = dict.fromkeys([*names, "Client-Cert-Chain"], "SUCCESS")
    for method in ("GET", "POST"):
        edge.request(method, domain.host, f"{path}?{method}", headers=headers)
        sent = {name.lower() for name, _ in origin.requests[-1].headers.items()}
        assert not sent & {name.lower() for name in headers}
