"""How a domain gets its certificate, as a part of the domain's own document."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from certificates.models import Authority, Enrollment
from tests.api.test_certificates import HOST, issued
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = f"/api/v1/domains/{HOST}"
DEFAULTS = {"source": "acme", "authority": None, "challenge": "auto", "key_type": "ecdsa-p256"}


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host=HOST, tls=True)


def choices():
    return Enrollment.objects.values("source", "authority__name", "challenge", "key_type").get()


def test_a_domain_is_made_with_how_it_gets_its_certificate(keyspace, boss):
    Authority.objects.create(name="house", directory_url="https://ca.example/dir")
    wanted = {"authority": "house", "key_type": "rsa-2048"}
    answer = boss.put(AT, {"origins": [{"host": "192.0.2.80"}], "tls": True, "certificate": wanted})
    assert answer.status_code == 201, answer.json()
    told = answer.json()["certificate"]
    assert told.pop("current")["source"] == "placeholder"
    assert told == {**DEFAULTS, **wanted}
    assert (choices()["authority__name"], choices()["key_type"]) == ("house", "rsa-2048")


def test_what_is_served_is_told_and_what_was_read_can_be_put_back(domain, boss):
    certificate = issued(domain)
    document = boss.get(AT).json()
    assert document["certificate"]["current"]["fingerprint"] == certificate.fingerprint
    before = boss.get(f"{AT}/status").json()
    assert boss.put(AT, document).status_code == 200
    assert boss.get(f"{AT}/status").json()["revision"] == before["revision"]


def test_left_out_the_choices_stay_and_a_patch_sets_what_it_names(domain, boss):
    Enrollment.objects.update(source="upload", challenge="dns-01")
    assert boss.put(AT, {"origins": [{"host": "192.0.2.80"}], "tls": True}).status_code == 200
    assert (choices()["source"], choices()["challenge"]) == ("upload", "dns-01")
    answer = boss.patch(AT, {"certificate": {"key_type": "ecdsa-p384"}})
    assert answer.json()["certificate"]["key_type"] == "ecdsa-p384"
    assert (choices()["source"], choices()["key_type"]) == ("upload", "ecdsa-p384")
    boss.put(AT, {"tls": True, "certificate": {}})
    assert choices() == {
        "source": "acme",
        "authority__name": None,
        "challenge": "auto",
        "key_type": "ecdsa-p256",
    }


def test_a_wrong_choice_is_named_and_nothing_is_changed(domain, boss):
    answer = boss.patch(AT, {"default_ttl": 7, "certificate": {"key_type": "wood", "authority": "nobody"}})
    assert answer.status_code == 400
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"/certificate/key_type", "/certificate/authority"}
    domain.refresh_from_db()
    assert domain.default_ttl != 7


def test_a_token_for_domains_alone_leaves_the_choices_as_they_are(domain, as_role):
    narrow = as_role("operator", ["domains:read", "domains:write"])
    document = narrow.get(AT).json()
    assert narrow.put(AT, {**document, "default_ttl": 7}).status_code == 200
    answer = narrow.patch(AT, {"certificate": {"key_type": "rsa-2048"}, "default_ttl": 9})
    assert answer.status_code == 403
    assert "certificates:write" in answer.json()["detail"]
    domain.refresh_from_db()
    assert domain.default_ttl == 7
    assert choices()["key_type"] == "ecdsa-p256"


def test_an_edit_is_held_to_the_choices_and_not_to_what_is_served(domain, boss):
    first = boss.get(AT)["ETag"]
    issued(domain)
    assert boss.get(AT, headers={"If-None-Match": first}).json()["certificate"]["current"]
    assert boss.patch(AT, {"notes": "new"}, headers={"If-Match": first}).status_code == 200
    first = boss.get(AT)["ETag"]
    Enrollment.objects.update(key_type="rsa-2048")
    assert boss.patch(AT, {"default_ttl": 9}, headers={"If-Match": first}).status_code == 412


def test_a_list_reads_all_of_it_with_the_same_number_of_queries(domain, boss):
    def queries():
        with CaptureQueriesContext(connection) as seen:
            assert boss.get("/api/v1/domains").status_code == 200
        return len(seen)

    queries()
    one = queries()
    for number in range(5):
        DomainFactory(host=f"more-{number}.example.com", tls=True)
    assert queries() == one
