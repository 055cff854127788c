"""The way to an authority: real servers that say what they should not, or take too long."""

import json
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.issuance import network
from certificates.issuance.client import Client
from certificates.issuance.errors import AccountUnknown, AuthorityProblem, AuthorityUnreachable
from certificates.issuance.keys import account_key, generate_key
from certificates.issuance.network import NONCE_ATTEMPTS, Network
from certificates.issuance.problems import PREFIX
from tests.servers import Origin, OriginAnswer, certificate_for, free_port

JSON = ("Content-Type", "application/json")


@pytest.fixture
def server(tmp_path):
    """An https server on localhost; `server.trust` is the PEM that it is trusted with."""
    context, cert_file = certificate_for("localhost", folder=tmp_path)
    origin = Origin(tls=context)
    origin.trust = cert_file.read_text()
    origin.url = f"https://localhost:{origin.port}"
    yield origin
    origin.stop()


@pytest.fixture
def way(server):
    found = Network(trust=server.trust)
    yield found
    found.close()


def answers(server, answer):
    server.answer = lambda request: answer


def authority(server, after_nonce):
    """Let the server be an authority whose every POST is answered by `after_nonce(request)`."""

    def answer(request):
        nonce = ("Replay-Nonce", "bm9uY2U")
        if request.method == "HEAD":
            return OriginAnswer(headers=(nonce,))
        if request.path == "/dir":
            names = ("newNonce", "newAccount", "newOrder", "revokeCert")
            document = {name: f"{server.url}/{name}" for name in names}
            return OriginAnswer(body=json.dumps(document).encode(), headers=(JSON,))
        status, body, *headers = after_nonce(request)
        return OriginAnswer(status, json.dumps(body).encode(), headers=(nonce, JSON, *headers))

    server.answer = answer


@pytest.fixture
def asking(server):
    client = Client(
        f"{server.url}/dir",
        key=account_key(generate_key("ecdsa-p256")),
        account_url=f"{server.url}/account/1",
        trust=server.trust,
        watch=lambda _: None,
    )
    yield client
    client.close()


def test_a_server_whose_roots_are_trusted_is_asked_with_our_name(server, way):
    answers(server, OriginAnswer(body=b"{}", headers=(JSON,)))
    assert way.get(f"{server.url}/dir").json() == {}
    assert server.requests[0].headers["User-Agent"].startswith("Cirrus-CDN/")


def test_a_server_that_is_not_trusted_is_not_asked(server, tmp_path):
    _, other = certificate_for("localhost", folder=tmp_path / "other")
    for trust in ("", other.read_text()):
        with pytest.raises(AuthorityUnreachable, match="its own certificate is not trusted here"):
            Network(trust=trust).get(f"{server.url}/dir")
    assert server.requests == []


def test_plain_http_is_never_spoken(way):
    with pytest.raises(AuthorityUnreachable, match="https only"):
        way.get(f"http://localhost:{free_port()}/dir")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"]
)
def test_addresses_of_this_machine_and_of_metadata_are_not_connected_to(server, way, settings, host):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"origin_allow": []})
    with pytest.raises(AuthorityUnreachable) as caught:
        way.get(f"https://{host}:{server.port}/dir")
    assert "machine" in caught.value.why or "metadata" in caught.value.why
    assert server.connections == set()
    assert server.requests == []


def test_a_redirect_is_not_followed(server, way):
    answers(server, OriginAnswer(302, headers=(("Location", f"{server.url}/elsewhere"),)))
    with pytest.raises(AuthorityProblem) as caught:
        way.get(f"{server.url}/dir")
    assert caught.value.status == 302
    assert server.asked("/elsewhere") == 0


def test_an_answer_without_end_is_not_read_to_its_end(server, way, monkeypatch):
    answers(server, OriginAnswer(body=b" " * (network.LONGEST + 1)))
    with pytest.raises(AuthorityUnreachable, match="longer than 1,000,000 bytes"):
        way.get(f"{server.url}/dir")


def test_a_server_that_says_nothing_is_not_waited_for(server, way, monkeypatch):
    monkeypatch.setattr(network, "READ_TIMEOUT", 0.3)
    go_on = threading.Event()
    answers(server, OriginAnswer(wait=go_on))
    try:
        with pytest.raises(AuthorityUnreachable, match="does not answer in time"):
            way.get(f"{server.url}/dir")
    finally:
        go_on.set()


@pytest.mark.parametrize(
    ("body", "headers"),
    [(b"<html>", (("Content-Type", "text/html"),)), (b"[1]", (JSON,)), (b'{"newNonce": 1}', (JSON,))],
)
def test_a_directory_that_is_none_is_said_to_be_none(server, asking, body, headers):
    answers(server, OriginAnswer(body=body, headers=headers))
    with pytest.raises(AuthorityUnreachable):
        asking.order(f"{server.url}/order/1")


def test_nobody_at_home_is_no_connection(way):
    with pytest.raises(AuthorityUnreachable, match="no connection can be made"):
        way.get(f"https://localhost:{free_port()}/dir")


def test_a_limit_tells_until_when_it_holds(server, asking):
    problem = {"type": f"{PREFIX}rateLimited", "detail": "Too many orders"}
    authority(server, lambda request: (429, problem, ("Retry-After", "3600")))
    with pytest.raises(AuthorityProblem) as caught:
        asking.new_order(["a.example"])
    left = caught.value.retry_after - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert caught.value.problem == problem


def test_a_request_is_sent_again_with_a_new_nonce_until_one_is_taken(server, asking):
    refused = iter([True] * 5)

    def answer(request):
        if next(refused, False):
            return 400, {"type": f"{PREFIX}badNonce", "detail": "JWS has an invalid anti-replay nonce"}
        return 201, {"status": "pending"}, ("Location", f"{server.url}/order/1")

    authority(server, answer)
    assert asking.new_order(["a.example"]).url == f"{server.url}/order/1"
    assert server.asked("/newOrder") == 6


def test_an_authority_that_takes_no_nonce_is_not_asked_for_ever(server, asking):
    authority(server, lambda request: (400, {"type": f"{PREFIX}badNonce"}))
    with pytest.raises(AuthorityProblem):
        asking.new_order(["a.example"])
    assert server.asked("/newOrder") == NONCE_ATTEMPTS


def test_a_conflict_is_a_problem_like_any_other(server, asking):
    problem = {"type": f"{PREFIX}alreadyReplaced", "detail": "It has been replaced"}
    authority(server, lambda request: (409, problem))
    with pytest.raises(AuthorityProblem) as caught:
        asking.new_order(["a.example"], replaces="x.y")
    assert caught.value.problem["type"] == f"{PREFIX}alreadyReplaced"


def test_a_forgotten_account_is_an_error_of_its_own(server, asking):
    authority(server, lambda request: (400, {"type": f"{PREFIX}accountDoesNotExist"}))
    with pytest.raises(AccountUnknown):
        asking.new_order(["a.example"])


def test_the_list_of_orders_is_read_page_by_page(server, asking):
    def answer(request):
        if request.path == "/account/1":
            return 200, {"status": "valid", "orders": f"{server.url}/orders/1"}
        if request.path == "/orders/1":
            return 200, {"orders": ["one", "two"]}, ("Link", f'<{server.url}/orders/2>;rel="next"')
        return 200, {"orders": ["three"]}

    authority(server, answer)
    assert list(asking.order_urls()) == ["one", "two", "three"]


def test_a_token_that_decodes_to_any_bytes_is_a_good_one(server, asking):
    token = "Ly4uL" + "A" * 38  # /../ in base64
    found = [{"type": "http-01", "url": "https://x/1", "status": "pending", "token": token}]
    said = {"status": "pending", "identifier": {"type": "dns", "value": "a.example"}, "challenges": found}
    authority(server, lambda request: (200, said))
    seen = asking.authorization(f"{server.url}/authz/1")
    assert seen.challenges["http-01"].token == token


def test_challenges_that_make_no_sense_are_as_if_they_were_not_there(server, asking):
    found = [
        {
            "type": "http-01",
            "url": "https://x/1",
            "status": "pending",
            "token": "dG9rZW4tb2YtdGVuLWxldHRlcnMtb3I",
        },
        {"type": "dns-01", "url": "https://x/2", "status": "pending", "token": "../../etc"},
        {"type": "of-tomorrow-01", "url": "https://x/3", "status": "pending", "token": "a"},
        "nonsense",
    ]
    said = {"status": "pending", "identifier": {"type": "dns", "value": "A.example"}, "challenges": found}
    authority(server, lambda request: (200, said))
    seen = asking.authorization(f"{server.url}/authz/1")
    assert seen.name == "a.example"
    assert set(seen.challenges) == {"http-01"}
    assert seen.challenges["http-01"].value.startswith(f"{seen.challenges['http-01'].token}.")
    assert seen.challenges["http-01"].value not in repr(seen)
