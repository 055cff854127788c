"""What a real edge keeps, for how long, and what it says about it."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tests.factories import DomainFactory
from tests.servers import OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def domain(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def answering(origin, cache_control, body=b"x", status=200, more=()):
    headers = ((("Cache-Control", cache_control),) if cache_control else ()) + tuple(more)
    origin.answer = lambda request: OriginAnswer(status=status, body=body, headers=headers)


def statuses(edge, domain, path, times=2, **options):
    return [edge.get(domain.host, path, **options).headers["X-Cache"] for _ in range(times)]


def test_the_origin_says_how_long_and_the_domain_where_it_does_not(edge, origin, domain):
    answering(origin, "max-age=60")
    assert statuses(edge, domain, "/max-age") == ["MISS", "HIT"]
    answering(origin, None)
    assert statuses(edge, domain, "/silent") == ["MISS", "HIT"]
    domain.default_ttl = 0
    domain.save()
    paths = count()
    eventually(lambda: statuses(edge, domain, f"/never-{next(paths)}") == ["MISS", "BYPASS"])


@pytest.mark.parametrize(
    "cache_control", ["no-store", "private", "no-cache", "max-age=0", "s-maxage=0, max-age=60"]
)
def test_what_the_origin_forbids_is_not_kept(edge, origin, domain, cache_control):
    answering(origin, cache_control)
    assert statuses(edge, domain, "/forbidden") == ["MISS", "BYPASS"]
    assert edge.get(domain.host, "/forbidden").headers["Cache-Control"] == cache_control


def test_a_cookie_is_never_given_to_a_second_client(edge, origin, domain):
    answering(origin, "max-age=60", more=(("Set-Cookie", "session=1"),))
    assert statuses(edge, domain, "/cookie") == ["MISS", "BYPASS"]


def test_an_answer_is_kept_for_each_variant(edge, origin, domain):
    origin.answer = lambda request: OriginAnswer(
        body=request.headers.get("Accept-Language", "").encode(),
        headers=(("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")),
    )
    for language in ("de", "fr", "de", "fr"):
        assert edge.get(domain.host, "/vary", headers={"Accept-Language": language}).text == language
    assert origin.asked("/vary") == 2


def test_a_vary_in_two_lines_counts_as_a_whole(edge, origin, domain):
    origin.answer = lambda request: OriginAnswer(
        body=f"{request.headers.get('Accept-Language')} {request.headers.get('X-Shop')}".encode(),
        headers=(("Cache-Control", "max-age=60"), ("Vary", "Accept-Language"), ("Vary", "X-Shop")),
    )
    for language, shop in (("de", "1"), ("fr", "1"), ("de", "2"), ("de", "1")):
        answer = edge.get(domain.host, "/two", headers={"Accept-Language": language, "X-Shop": shop})
        assert answer.text == f"{language} {shop}"
    assert answer.headers["X-Cache"] == "HIT"


def test_the_client_sees_the_origins_headers_and_the_age(edge, origin, domain):
    answering(origin, "max-age=60", more=(("ETag", '"v1"'), ("Age", "7")))
    first = edge.get(domain.host, "/age")
    assert first.headers["Cache-Control"] == "max-age=60"
    assert first.headers["ETag"] == '"v1"'
    assert first.headers["Via"] == "1.1 edge-1 (cirrus)"
    assert len(first.headers["X-Request-Id"]) == 32
    assert 7 <= int(first.headers["Age"]) <= 9
    second = edge.get(domain.host, "/age")
    assert second.headers["X-Cache"] == "HIT"
    assert int(second.headers["Age"]) >= 7
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]


def test_a_thousand_clients_at_once_cost_the_origin_one_request(edge, origin, domain):
    arrived = threading.Event()
    origin.answer = lambda request: OriginAnswer(body=b"once", wait=arrived)
    with ThreadPoolExecutor(50) as clients:
        waiting = [clients.submit(edge.get, domain.host, "/popular") for _ in range(50)]
        eventually(lambda: origin.asked("/popular"))
        arrived.set()
        assert {answer.result().text for answer in waiting} == {"once"}
    assert origin.asked("/popular") == 1


def test_requests_for_what_is_not_stored_do_not_queue(edge, origin, domain):
    answering(origin, "no-store")
    edge.get(domain.host, "/dynamic")
    together = threading.Barrier(8, timeout=5)

    def answer(request):
        together.wait()  # passes only once eight requests are here at the same time
        return OriginAnswer(body=b"yours", headers=(("Cache-Control", "no-store"),))

    origin.answer = answer
    with ThreadPoolExecutor(8) as clients:
        assert {r.text for r in clients.map(lambda _: edge.get(domain.host, "/dynamic"), range(8))} == {
            "yours"
        }


def test_the_body_of_a_get_poisons_nobodys_answer(edge, origin, domain):
    origin.answer = lambda request: OriginAnswer(
        body=b"said: " + request.body, headers=(("Cache-Control", "max-age=60"),)
    )
    assert edge.request("GET", domain.host, "/fat", data=b"evil").text == "said: evil"
    assert edge.get(domain.host, "/fat").text == "said: "
    assert edge.request("GET", domain.host, "/fat", data=b"evil").text == "said: evil"
    assert edge.get(domain.host, "/fat").headers["X-Cache"] == "HIT"


def test_a_url_that_becomes_cacheable_is_cached_again(edge, origin, domain):
    answering(origin, "no-store")
    assert statuses(edge, domain, "/turning") == ["MISS", "BYPASS"]
    answering(origin, "max-age=60")
    eventually(lambda: statuses(edge, domain, "/turning") == ["HIT", "HIT"])


def test_one_client_with_credentials_does_not_keep_the_others_from_the_cache(edge, origin, domain):
    answering(origin, "max-age=60")
    for _ in range(3):
        edge.get(domain.host, "/hot", headers={"Authorization": "Basic eDp5"})
        last = edge.get(domain.host, "/hot").headers["X-Cache"]
    assert last == "HIT"


def test_a_post_does_not_send_other_requests_past_the_cache(edge, origin, domain):
    answering(origin, "max-age=60")
    assert statuses(edge, domain, "/hot") == ["MISS", "HIT"]
    answering(origin, "no-store")
    edge.request("POST", domain.host, "/other", data=b"x")
    assert statuses(edge, domain, "/hot") == ["HIT", "HIT"]


def test_a_stale_answer_is_better_than_none_unless_the_origin_forbids_it(edge, origin, domain):
    answering(origin, "max-age=1", body=b"old")
    edge.get(domain.host, "/lenient")
    answering(origin, "max-age=1, must-revalidate", body=b"old")
    edge.get(domain.host, "/strict")
    origin.stop()
    eventually(lambda: edge.get(domain.host, "/lenient").headers["X-Cache"] in ("STALE", "UPDATING"))
    assert edge.get(domain.host, "/lenient").text == "old"
    eventually(lambda: edge.get(domain.host, "/strict").status_code == 502)


def test_each_host_of_a_wildcard_has_its_own_objects(edge, origin):
    wildcard = DomainFactory(host="*.tenants.example", origin__port=origin.port)
    eventually(lambda: edge.get("a.tenants.example", "/known").status_code == 200)
    origin.answer = lambda request: OriginAnswer(body=request.headers["Host"].encode())
    for tenant in ("a", "b"):
        host = wildcard.host.replace("*", tenant)
        assert [edge.get(host, "/page").text for _ in range(2)] == [host, host]


def test_an_event_reaches_the_client_when_it_happens(edge):
    server, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def stream():
        client, _ = server.accept()
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        client.sendall(b"Cache-Control: no-store\r\n\r\ndata: first\n\n")
        over.wait(20)
        client.close()

    domain = DomainFactory(origin__port=server.getsockname()[1])
    eventually(lambda: edge.health()["domains"] == 1)
    threading.Thread(target=stream, daemon=True).start()
    with edge.get(domain.host, "/events", stream=True) as answer:
        assert next(answer.iter_content(None)) == b"data: first\n\n"
    over.set()
    server.close()


def test_head_is_answered_from_what_get_has_stored(edge, origin, domain):
    answering(origin, "max-age=60", body=b"body")
    edge.get(domain.host, "/head")
    answer = edge.request("HEAD", domain.host, "/head")
    assert (answer.headers["X-Cache"], answer.headers["Content-Length"], answer.content) == ("HIT", "4", b"")


def test_other_methods_go_to_the_origin_each_time(edge, origin, domain):
    answering(origin, "max-age=60")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for _ in range(2):
            assert edge.request(method, domain.host, "/unsafe").status_code == 200
    assert origin.asked("/unsafe") == 10


def test_the_counters_tell_hits_from_misses_and_do_not_grow_with_strangers(edge, origin, domain):
    for number in range(30):
        edge.get(f"stranger-{number}.example")
    answering(origin, "max-age=60")
    statuses(edge, domain, "/counted", times=4)
    eventually(lambda: edge.metric('nginx_cache_status_total{status="HIT"}') == 3)
    assert edge.metric('nginx_http_requests_total{host="unknown",status="404"}') >= 30
    assert edge.metric(f'nginx_http_requests_total{{host="{domain.host}",status="200"}}') >= 4
    text = (edge.folder / "access.log").read_text
    eventually(lambda: '"cache":"HIT"' in text())
