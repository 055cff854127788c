"""Certificates, enrollments, orders and authorities in the API."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificates
from django.utils import timezone

from accounts.sealing import open_sealed
from certificates.checks.reading import read_pem
from certificates.deployment.storing import certificate_store
from certificates.models import Authority, Backoff, Certificate, Enrollment, Order
from tests.certificates.house import the_house
from tests.factories import DomainFactory, HostNameFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "www.example.com"
AT = f"/api/v1/enrollments/{HOST}"
AUTHORITY = {
    "name": "house",
    "directory_url": "https://127.0.0.1:1/dir",
    "terms_agreed": True,
    "contact": "ops@example.com",
}


@pytest.fixture
def domain(keyspace):
    return DomainFactory(host=HOST, tls=True)


def reasons(answer):
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


def issued(domain, *names, **more):
    """A certificate from an authority, as the current one; the one of before is kept."""
    enrollment = Enrollment.objects.get(domain=domain)
    certificate = certificate_store(
        read_pem(*the_house().bundle(*names or [HOST], **more)),
        source=Certificate.Source.ACME,
        enrollment=enrollment,
    )
    if enrollment.current and enrollment.current.source != Certificate.Source.PLACEHOLDER:
        enrollment.previous = enrollment.current
    enrollment.current = certificate
    enrollment.save()
    return certificate


# -- authorities -------------------------------------------------------------------------------------


def test_the_key_of_an_external_account_goes_in_and_never_comes_out(keyspace, boss):
    answer = boss.post("/api/v1/authorities", {**AUTHORITY, "eab_kid": "kid-1", "eab_key": "c2VjcmV0"})
    assert answer.status_code == 201, answer.json()
    assert answer.json()["has_eab_key"] and "c2VjcmV0" not in answer.content.decode()
    sealed = Authority.objects.get().eab_key
    assert open_sealed(sealed, record="eab:house") == b"c2VjcmV0"
    boss.put("/api/v1/authorities/house", {**AUTHORITY, "eab_kid": "kid-1", "eab_key": "c2VjcmV0"})
    boss.put("/api/v1/authorities/house", {**AUTHORITY, "eab_kid": "kid-1"})
    assert Authority.objects.get().eab_key == sealed
    answer = boss.put("/api/v1/authorities/house", AUTHORITY)
    assert not answer.json()["has_eab_key"] and Authority.objects.get().eab_key == ""


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"eab_kid": "kid-1"}, "/eab_key"),
        ({"eab_key": "c2VjcmV0"}, "/eab_kid"),
        ({"directory_url": "http://insecure.example/dir"}, "/directory_url"),
        ({"trust": "no PEM"}, "/trust"),
    ],
)
def test_what_an_authority_cannot_be_is_refused_at_its_field(keyspace, boss, more, field):
    answer = boss.post("/api/v1/authorities", {**AUTHORITY, **more})
    assert answer.status_code == 400 and field in reasons(answer)


def test_an_authority_keeps_its_name(keyspace, boss):
    boss.post("/api/v1/authorities", AUTHORITY)
    answer = boss.patch("/api/v1/authorities/house", {"name": "home"})
    assert answer.status_code == 400 and "/name" in reasons(answer)


def test_an_authority_that_cannot_be_reached_says_so_when_it_is_tried(keyspace, boss):
    boss.post("/api/v1/authorities", AUTHORITY)
    (tested,) = boss.post("/api/v1/authorities/house/test").json()["results"]
    assert not tested["ok"] and tested["sentence"].startswith("house: ")


# -- enrollments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["issue", "revert", "revoke"])
def test_what_asks_an_authority_is_not_rehearsed_but_refused(action, domain, boss):
    issued(domain)
    answer = boss.post(f"{AT}/{action}?dry_run=true", {})
    assert (answer.status_code, *reasons(answer)) == (400, "?dry_run")
    assert not Order.objects.exists() and Certificate.objects.get(source="acme").revoked_at is None


def test_trying_an_authority_has_no_dry_run_and_holds_if_match(keyspace, boss):
    Authority.objects.create(**AUTHORITY)
    at = "/api/v1/authorities/house/test"
    answer = boss.post(f"{at}?dry_run=true")
    assert (answer.status_code, *reasons(answer)) == (400, "?dry_run")
    assert boss.post(at, HTTP_IF_MATCH='"other"').status_code == 412


def test_an_enrollment_says_what_is_served_until_when_and_what_is_next(domain, boss):
    certificate = issued(domain)
    told = boss.get(AT).json()
    assert told["current"]["fingerprint"] == certificate.fingerprint
    assert told["next_step"].startswith("renewal on ")
    status = boss.get(f"{AT}/status").json()
    assert status["sentence"].startswith("served on 0 of 0, valid until ")
    assert boss.get(f"{AT}/chain").json()["pem"] == certificate.chain


def test_the_choices_of_an_enrollment_are_changed_and_nothing_else(domain, boss):
    boss.post("/api/v1/authorities", AUTHORITY)
    etag = boss.get(AT)["ETag"]
    answer = boss.patch(AT, {"key_type": "rsa-3072", "authority": "house"}, headers={"If-Match": etag})
    assert answer.status_code == 200
    assert (answer.json()["key_type"], answer.json()["authority"]) == ("rsa-3072", "house")
    assert boss.patch(AT, {"authority": "nobody"}).status_code == 400
    assert boss.patch(AT, {"attempts": 7}).json()["attempts"] == 0
    assert boss.put(AT, {}).json()["authority"] is None
    assert boss.patch(AT, {"key_type": "rsa-2048"}, headers={"If-Match": etag}).status_code == 200


def test_asking_for_a_certificate_answers_with_the_order_to_follow(domain, boss):
    boss.post("/api/v1/authorities", AUTHORITY)
    answer = boss.post(f"{AT}/issue")
    assert answer.status_code == 202
    order = Order.objects.get()
    assert answer["Location"] == f"/api/v1/orders/{order.pk}" and answer.json()["order"] == order.pk
    told = boss.get(answer["Location"]).json()
    assert (told["host"], told["authority"], told["state"]) == (HOST, "house", "new")
    assert boss.post(f"{AT}/issue")["Location"] == answer["Location"]
    assert [row["id"] for row in boss.get(f"/api/v1/orders?host={HOST}&open=true").json()["results"]] == [
        order.pk
    ]


def test_asking_while_nobody_may_be_asked_says_why(domain, boss):
    answer = boss.post(f"{AT}/issue")
    assert answer.status_code == 202 and answer["Location"] == AT
    assert "No certificate authority is enabled" in answer.json()["problem"]


def test_a_domain_without_https_is_not_given_a_certificate(domain, boss):
    domain.tls = False
    domain.save()
    answer = boss.post(f"{AT}/issue")
    assert answer.status_code == 409 and "does not serve HTTPS" in answer.json()["detail"]


def test_one_step_back_and_forth_again(domain, boss):
    first, second = issued(domain), issued(domain)
    answer = boss.post(f"{AT}/revert")
    assert answer.status_code == 200
    assert answer.json()["current"]["id"] == first.pk and answer.json()["previous"]["id"] == second.pk
    assert boss.post(f"{AT}/revert").json()["current"]["id"] == second.pk


def test_without_a_certificate_before_there_is_no_way_back(domain, boss):
    issued(domain)
    assert boss.post(f"{AT}/revert").status_code == 409


def test_what_nobody_has_issued_for_us_cannot_be_revoked_here(domain, boss):
    issued(domain)
    answer = boss.post(f"{AT}/revoke", {"reason": "keyCompromise"})
    assert answer.status_code == 409 and "revoke it where" in answer.json()["detail"]
    assert boss.post(f"{AT}/revoke", {"reason": "boredom"}).status_code == 400


def test_the_records_that_names_need_are_told(domain, boss):
    (told,) = boss.get(f"{AT}/delegation").json()["results"]
    assert told["name"] == HOST and told["needed"] and not told["found"]


def test_only_names_that_the_dns_must_prove_are_told_of(domain, boss):
    HostNameFactory(domain=domain, name="*.shop.example.com")
    told = boss.get(f"{AT}/delegation").json()["results"]
    assert [each["name"] for each in told] == ["shop.example.com"]  # www.example.com is proven by the edges


# -- certificates ------------------------------------------------------------------------------------


def upload(*names, **more):
    chain, key = the_house().bundle(*names or [HOST], **more)
    return {"certificate": chain.decode(), "key": key.decode()}


def test_an_uploaded_certificate_is_sealed_and_on_its_way(domain, boss):
    NodeFactory(name="edge-1")
    sent = upload()
    answer = boss.post("/api/v1/certificates", sent)
    assert answer.status_code == 201, answer.json()
    assert answer.json()["domains"] == [HOST]
    there = boss.get(answer["Location"])
    assert there.json() == answer.json()["certificate"]
    assert there.json()["used_by"] == [{"host": HOST, "use": "candidate"}]
    assert "PRIVATE" not in there.content.decode() and "PRIVATE" not in answer.content.decode()
    assert "PRIVATE" not in Certificate.objects.get(pk=there.json()["id"]).key
    assert "BEGIN CERTIFICATE" in boss.get(f"{answer['Location']}/chain").json()["pem"]


def test_pkcs12_comes_in_base64_with_its_password(domain, boss):
    chain, key = the_house().bundle(HOST)
    first, *others = load_pem_x509_certificates(chain)
    data = pkcs12.serialize_key_and_certificates(
        b"name", load_pem_private_key(key, None), first, others, BestAvailableEncryption(b"open")
    )
    sent = {"domains": [HOST], "pkcs12": base64.b64encode(data).decode(), "password": "wrong"}
    answer = boss.post("/api/v1/certificates", sent)
    assert answer.status_code == 400 and "/password" in reasons(answer)
    answer = boss.post("/api/v1/certificates", {**sent, "password": "open"})
    assert answer.status_code == 201 and answer.json()["domains"] == [HOST]


def test_what_is_wrong_with_an_upload_is_said_at_its_field(domain, boss):
    for sent, field in [
        ({"certificate": "nonsense"}, "/certificate"),
        ({**upload(), "key": upload()["key"]}, "/key"),
        ({**upload(), "domains": ["nowhere.example"]}, "/domains"),
        ({"pkcs12": "!"}, "/pkcs12"),
        ({}, ""),
        (upload("other.example"), "/domains"),
    ]:
        answer = boss.post("/api/v1/certificates", sent)
        assert answer.status_code == 400 and field in reasons(answer), (sent.keys(), answer.json())
    assert not Certificate.objects.filter(source="upload").exists()


def test_what_lacks_names_is_taken_when_it_is_confirmed(domain, boss):
    HostNameFactory(domain=domain, name="example.com")
    sent = {**upload(HOST), "domains": [HOST]}
    assert boss.post("/api/v1/certificates", sent).status_code == 409
    assert boss.post("/api/v1/certificates?dry_run=true", {**sent, "confirmed": True}).status_code == 200
    assert not Certificate.objects.filter(source="upload").exists()
    assert boss.post("/api/v1/certificates", {**sent, "confirmed": True}).status_code == 201


def test_the_calendar_lists_endings_the_first_one_first(domain, boss):
    later = DomainFactory(host="later.example", tls=True)
    issued(domain)
    issued(later, "later.example")
    Certificate.objects.filter(enrollment__domain=later).update(
        not_after=timezone.now() + timedelta(days=700)
    )
    hosts = [row["host"] for row in boss.get("/api/v1/certificates/calendar").json()["results"]]
    assert hosts == [HOST, "later.example"]
    near = boss.get("/api/v1/certificates/calendar?days=400").json()["results"]
    assert [row["host"] for row in near] == [HOST] and 0 < near[0]["left"] <= 1
    assert boss.get("/api/v1/certificates/calendar?days=-1").status_code == 400


def test_a_token_for_one_domain_has_nothing_to_do_with_others(domain, as_role):
    other = DomainFactory(host="other.example", tls=True)
    issued(other, "other.example")
    mine = issued(domain)
    token = as_role("operator", domains=[HOST])
    found = token.get("/api/v1/certificates?source=acme").json()["results"]
    assert [row["id"] for row in found] == [mine.pk]
    assert token.get("/api/v1/enrollments/other.example").status_code == 404
    assert [row["host"] for row in token.get("/api/v1/certificates/calendar").json()["results"]] == [HOST]
    assert token.post("/api/v1/certificates", upload("other.example")).status_code == 400
    named = {**upload("other.example"), "domains": ["other.example"]}
    assert token.post("/api/v1/certificates", named).status_code == 403
    assert token.get("/api/v1/authorities").status_code == 403


def test_names_that_wait_are_listed(domain, boss):
    boss.post("/api/v1/authorities", AUTHORITY)
    Backoff.objects.create(name=HOST, authority=Authority.objects.get(), next_at=timezone.now())
    (row,) = boss.get("/api/v1/backoffs?authority=house").json()["results"]
    assert row["name"] == HOST and boss.get(f"/api/v1/backoffs/{row['id']}").json() == row
