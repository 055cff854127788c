"""What a purge does on a real edge: what goes, what stays, and when the edge may say that it has gone."""

import threading
import time
from itertools import count
from pathlib import Path

import pytest

from edge.purges.services import purge_request
from tests.factories import DomainFactory
from tests.servers import OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]

versions = count(1)


def numbered(request, headers=()):
    """An answer that is never the same twice, and that may be kept for an hour."""
    body = f"{request.path} {next(versions)}".encode()
    return OriginAnswer(body=body, headers=(("Cache-Control", "max-age=3600"), *headers))


@pytest.fixture
def domain(edge, origin):
    origin.answer = numbered
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    return domain


def purged(edge, domain, **what):
    """Purge something, and wait until the edge says that it has."""
    (purge,) = purge_request(domains=[domain], **what)
    purge.refresh_from_db()
    eventually(lambda: edge.health()["rev"] >= purge.rev)
    return purge


def versions_of(edge, domain, *paths, **options):
    return [edge.get(domain.host, path, **options).text for path in paths]


def is_kept(edge, domain, path, **options):
    """Whether the object that the edge has now is served twice (from wherever it lies)."""
    return edge.get(domain.host, path, **options).headers["X-Cache"] == "HIT"


def busy(edge, domain, path, times=5):
    """Ask so often that the object is served from a worker's memory."""
    return {edge.get(domain.host, path).text for _ in range(times)}


@pytest.mark.parametrize("asked", [1, 2, 6])  # nowhere but on disk; known to the worker; in its memory
@pytest.mark.parametrize(
    ("what", "gone", "kept"),
    [
        ({"urls": ["/shop/a"]}, ["/shop/a", "/shop/a?x=1"], ["/shop/b", "/shop/a/", "/shop"]),
        ({"urls": ["/shop/a?x=1"]}, ["/shop/a?x=1"], ["/shop/a", "/shop/a?x=2"]),
        ({"prefixes": ["/shop/"]}, ["/shop/a", "/shop/b?x=1"], ["/shop", "/other"]),
        ({"everything": True}, ["/shop/a", "/other", "/?q"], []),
    ],
)
def test_a_purge_takes_what_it_names_and_nothing_else(edge, domain, what, gone, kept, asked):
    before = {path: busy(edge, domain, path, asked) for path in [*gone, *kept]}
    assert all(len(texts) == 1 for texts in before.values())
    purged(edge, domain, **what)
    for path in gone:
        assert edge.get(domain.host, path).text not in before[path]
    for path in kept:
        assert {edge.get(domain.host, path).text} == before[path]


def tagged_answer(request):
    tags = {"/p/1": "Product-1, list", "/p/2": "product-2, list", "/plain": ""}.get(request.path, "other")
    return numbered(request, (("Cache-Tag", tags),) if tags else ())


@pytest.mark.parametrize("asked", [3, 8])
def test_a_tag_takes_every_object_that_has_it(edge, domain, origin, asked):
    origin.answer = tagged_answer
    paths = ["/p/1", "/p/2", "/plain", "/else"]
    for path in paths:
        busy(edge, domain, path, asked)
    before = versions_of(edge, domain, *paths)
    purged(edge, domain, tags=["PRODUCT-1"])
    after = versions_of(edge, domain, *paths)
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    purged(edge, domain, tags=["list", "unknown"])
    last = versions_of(edge, domain, *paths)
    assert [a != b for a, b in zip(after, last, strict=True)] == [True, True, False, False]
    assert all(is_kept(edge, domain, path) for path in paths)


def test_surrogate_keys_are_tags_too_and_clients_see_neither(edge, domain, origin):
    origin.answer = lambda request: numbered(
        request, (("Surrogate-Key", "a b"), ("Cache-Tag", "c"), ("Vary", "Accept-Language"))
    )
    for tag in ("b", "c"):
        busy(edge, domain, "/keys")
        before = edge.get(domain.host, "/keys")
        purged(edge, domain, tags=[tag])
        assert edge.get(domain.host, "/keys").text != before.text
    for answer in (before, edge.get(domain.host, "/keys"), edge.get(domain.host, "/keys")):
        assert {"Surrogate-Key", "Cache-Tag", "Cirrus-Stamp"}.isdisjoint(answer.headers)
        assert answer.headers["Vary"] == "Accept-Language"
        assert not [name for name in answer.headers if name.lower().startswith("x-cirrus")]


@pytest.mark.parametrize("what", [{"urls": ["/v"]}, {"tags": ["t"]}, {"everything": True}])
def test_all_variants_of_a_url_go_together(edge, domain, origin, what):
    origin.answer = lambda request: numbered(request, (("Vary", "Accept-Language"), ("Cache-Tag", "t")))

    def languages():
        return [edge.get(domain.host, "/v", headers={"Accept-Language": x}).text for x in ("de", "fr", "it")]

    languages()
    before = [languages() for _ in range(6)][-1]
    assert languages() == before
    purged(edge, domain, **what)
    after = languages()
    assert set(before).isdisjoint(after)
    assert languages() == after


def test_one_purge_is_for_all_names_of_a_domain_and_for_no_other_domain(edge, domain, origin):
    other = DomainFactory(origin__port=origin.port)
    domain.hostnames.create(name="alias.example")
    eventually(lambda: edge.get("alias.example", "/a").status_code == 200)
    eventually(lambda: edge.get(other.host, "/a").status_code == 200)
    before = [edge.get(host, "/a").text for host in (domain.host, "alias.example", other.host)]
    purged(edge, domain, urls=["/a"])
    after = [edge.get(host, "/a").text for host in (domain.host, "alias.example", other.host)]
    assert [a != b for a, b in zip(before, after, strict=True)] == [True, True, False]


def test_differently_spelled_urls_are_one(edge, domain, origin):
    first = edge.get(domain.host, "/caf%C3%A9/x").text
    assert edge.get(domain.host, "/caf%c3%a9/%78").text == first
    assert origin.requests[-1].path == "/caf%C3%A9/x"
    purged(edge, domain, urls=["/café/y/../x"])
    assert edge.get(domain.host, "/caf%C3%A9/x").text != first


# -- order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [{"urls": ["/slow"]}, {"tags": ["t"]}, {"prefixes": ["/s"]}])
def test_what_was_asked_for_before_the_purge_is_not_kept_after_it(edge, domain, origin, what):
    go = threading.Event()
    origin.answer = lambda request: numbered(request, (("Cache-Tag", "t"),))
    busy(edge, domain, "/warm")  # the site is known to have tags

    def slow(request):
        answer = numbered(request, (("Cache-Tag", "t"),))
        return OriginAnswer(body=answer.body, headers=answer.headers, wait=go)

    origin.answer = slow
    texts = []
    fetch = threading.Thread(target=lambda: texts.append(edge.get(domain.host, "/slow").text))
    fetch.start()
    eventually(lambda: origin.asked("/slow") == 1)
    purged(edge, domain, **what)
    go.set()
    fetch.join()
    assert edge.get(domain.host, "/slow").text not in texts
    assert origin.asked("/slow") == 2


def test_those_who_wait_for_a_fetch_that_a_purge_overtakes_bring_it_into_no_memory(edge, domain, origin):
    for path in ("/herd/1", "/herd/2", "/herd/3"):
        go, old = threading.Event(), []

        def slow(request, go=go, old=old):
            answer = numbered(request)
            old.append(answer.body.decode())
            return OriginAnswer(body=answer.body, headers=answer.headers, wait=go)

        origin.answer = slow
        herd = [threading.Thread(target=edge.get, args=(domain.host, path)) for _ in range(12)]
        for client in herd:
            client.start()
        eventually(lambda path=path: origin.asked(path) == 1)
        origin.answer = numbered
        purged(edge, domain, urls=[path])
        go.set()
        for client in herd:
            client.join()
        assert busy(edge, domain, path, 20).isdisjoint(old)


def test_a_soft_purge_serves_the_old_one_until_the_new_one_is_there(edge, domain, origin):
    before = busy(edge, domain, "/soft", 6).pop()
    go = threading.Event()

    def slow(request):
        return OriginAnswer(body=b"new", headers=(("Cache-Control", "max-age=3600"),), wait=go)

    origin.answer = slow
    purged(edge, domain, urls=["/soft"], soft=True)
    for _ in range(5):
        answer = edge.get(domain.host, "/soft")
        assert (answer.text, answer.headers["X-Cache"]) == (before, "STALE")
    eventually(lambda: origin.asked("/soft") == 2)
    go.set()
    eventually(lambda: edge.get(domain.host, "/soft").text == "new")
    assert edge.get(domain.host, "/soft").headers["X-Cache"] == "HIT"
    assert origin.asked("/soft") == 2


@pytest.mark.parametrize("what", [{"tags": ["t"]}, {"prefixes": ["/so"]}, {"everything": True}])
def test_every_kind_of_purge_can_be_soft(edge, domain, origin, what):
    origin.answer = lambda request: numbered(request, (("Cache-Tag", "t"),))
    busy(edge, domain, "/soft", 8)
    before = edge.get(domain.host, "/soft").text
    purged(edge, domain, soft=True, **what)
    answer = edge.get(domain.host, "/soft")
    assert (answer.text, answer.headers["X-Cache"]) == (before, "STALE")
    eventually(lambda: edge.get(domain.host, "/soft").text != before)
    eventually(lambda: is_kept(edge, domain, "/soft"))


def test_every_variant_is_fetched_anew_at_once_after_a_soft_purge(edge, domain, origin):
    origin.answer = lambda request: numbered(request, (("Vary", "Accept-Language"), ("Cache-Tag", "t")))

    def languages():
        return [edge.get(domain.host, "/v", headers={"Accept-Language": x}).text for x in ("de", "fr", "it")]

    languages()
    before = [languages() for _ in range(6)][-1]
    purged(edge, domain, tags=["t"], soft=True)
    eventually(lambda: set(before).isdisjoint(languages()), within=5)


def test_a_second_soft_purge_needs_a_second_fetch_and_need_not_wait_for_it(edge, domain, origin):
    for _ in range(3):
        before = edge.get(domain.host, "/soft").text
        purged(edge, domain, urls=["/soft"], soft=True)
        eventually(lambda before=before: edge.get(domain.host, "/soft").text != before, within=5)


def test_what_may_no_longer_be_kept_ends_a_soft_purge(edge, domain, origin):
    busy(edge, domain, "/soft")
    origin.answer = lambda request: OriginAnswer(body=b"mine", headers=(("Cache-Control", "private"),))
    purged(edge, domain, urls=["/soft"], soft=True)
    eventually(lambda: edge.get(domain.host, "/soft").text == "mine")


def test_a_soft_purge_is_nobodys_question(edge, domain, origin):
    seen = []

    def answer(request):
        seen.append(request.headers)
        if "Authorization" in request.headers:
            return OriginAnswer(status=401, body=b"who are you?")
        return numbered(request)

    origin.answer = answer
    before = busy(edge, domain, "/public").pop()
    purged(edge, domain, urls=["/public"], soft=True)
    stale = edge.get(domain.host, "/public", headers={"Authorization": "wrong", "Cookie": "a=b"})
    assert (stale.text, stale.headers["X-Cache"]) == (before, "STALE")
    eventually(lambda: edge.get(domain.host, "/public").text != before)
    assert is_kept(edge, domain, "/public")
    assert not [headers for headers in seen if "Authorization" in headers or "Cookie" in headers]


def test_a_hard_purge_after_a_soft_one_leaves_nothing_to_serve(edge, domain, origin):
    before = busy(edge, domain, "/both").pop()
    purged(edge, domain, urls=["/both"], soft=True)
    purged(edge, domain, urls=["/both"])
    assert edge.get(domain.host, "/both").text != before


# -- restarts, and Redis away ----------------------------------------------------------------------


def ready(edge):
    return not edge.health().get("catching_up")


def test_a_purge_holds_over_a_restart_and_the_rest_is_kept(edge, domain):
    gone, kept = versions_of(edge, domain, "/gone", "/kept")
    purged(edge, domain, urls=["/gone"])
    edge.stop()
    edge.start()
    eventually(lambda: ready(edge))
    assert versions_of(edge, domain, "/gone", "/kept")[0] != gone
    assert edge.get(domain.host, "/kept").text == kept


def test_objects_with_tags_are_kept_over_a_restart_and_can_be_purged_after_it(edge, domain, origin):
    origin.answer = lambda request: numbered(request, (("Cache-Tag", "t"),))
    busy(edge, domain, "/tagged", 4)
    before = edge.get(domain.host, "/tagged").text
    edge.stop()
    edge.start()
    eventually(lambda: ready(edge))
    assert edge.get(domain.host, "/tagged").text == before
    purged(edge, domain, tags=["t"])
    assert edge.get(domain.host, "/tagged").text != before
    edge.stop()
    edge.start()
    eventually(lambda: ready(edge))
    assert edge.get(domain.host, "/tagged").text != before


def test_tags_are_told_apart_by_host_also_over_a_restart(edge, origin):
    domain = DomainFactory(host="*.tenants.example", origin__port=origin.port)
    a, b = "a.tenants.example", "b.tenants.example"
    eventually(lambda: edge.get(a, "/known").status_code == 200)
    origin.answer = lambda request: numbered(request, (("Cache-Tag", request.headers["Host"].split(".")[0]),))
    before = [[edge.get(host, "/t").text for host in (a, b)] for _ in range(4)][-1]
    edge.stop()
    edge.start()
    eventually(lambda: ready(edge))
    assert edge.get(a, "/t").text == before[0]
    purged(edge, domain, tags=["b"])
    assert edge.get(b, "/t").text != before[1]
    assert edge.get(a, "/t").text == before[0]


def test_an_edge_applies_what_it_missed_before_it_serves_from_its_cache(edge, domain, origin):
    origin.answer = lambda request: numbered(request, (("Cache-Tag", "t"),))
    busy(edge, domain, "/missed", 4)
    before = busy(edge, domain, "/missed")
    edge.stop()
    purge_request(domains=[domain], tags=["t"])
    edge.start(wait=False)
    answers = []

    def answered():
        answers.append(edge.get(domain.host, "/missed").text)
        return len(answers) >= 20

    eventually(answered)
    assert before.isdisjoint(answers)


def test_without_redis_a_short_absence_is_forgiven(edge, domain, keyspace):
    before = edge.get(domain.host, "/kept").text
    eventually(lambda: (edge.folder / "contact").exists())
    edge.stop()
    keyspace.stop()
    try:
        edge.start()
        assert edge.get(domain.host, "/kept").text != before  # it does not know yet, so it asks the origin
        eventually(lambda: ready(edge))
        assert edge.get(domain.host, "/kept").text == before
        assert "generation" not in " ".join(edge.health().get("problems", []))
    finally:
        keyspace.start()


@pytest.mark.parametrize("contact", ["0 {boot}", "{now} another-boot", ""])
def test_without_redis_a_long_absence_begins_a_new_generation_and_says_so(edge, domain, keyspace, contact):
    before = edge.get(domain.host, "/old").text
    edge.stop()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (edge.folder / "contact").write_text(contact.format(boot=boot, now=time.time()) + "\n")
    keyspace.stop()
    try:
        edge.start()
        eventually(lambda: ready(edge))
        assert edge.get(domain.host, "/old").text != before
        assert is_kept(edge, domain, "/old")
        assert "a new generation of the cache begins" in edge.errors()
        assert edge.health()["generation"].startswith("g")
        fresh = edge.get(domain.host, "/old").text
        edge.stop()
        (edge.folder / "contact").write_text(f"{time.time()} {boot}\n")
        edge.start()
        eventually(lambda: ready(edge))
        assert edge.get(domain.host, "/old").text == fresh  # the generation is remembered
    finally:
        keyspace.start()


# -- unsafe requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_an_unsafe_request_takes_what_it_changes_also_over_a_restart(edge, domain, method):
    busy(edge, domain, "/cart", 6)
    before = versions_of(edge, domain, "/cart", "/cart?x=1", "/other")
    assert edge.request(method, domain.host, "/cart", data=b"x").status_code == 200
    after = versions_of(edge, domain, "/cart", "/cart?x=1", "/other")
    assert [a != b for a, b in zip(before, after, strict=True)] == [True, True, False]
    assert is_kept(edge, domain, "/cart")
    edge.stop()
    edge.start()
    eventually(lambda: ready(edge))
    assert edge.get(domain.host, "/cart").text != before[0]
    assert edge.get(domain.host, "/other").text == before[2]


def test_an_unsafe_request_that_failed_takes_nothing(edge, domain, origin):
    before = edge.get(domain.host, "/cart").text
    origin.answer = lambda request: OriginAnswer(status=500)
    assert edge.request("POST", domain.host, "/cart", data=b"x").status_code == 500
    assert edge.get(domain.host, "/cart").text == before


# -- bounded tables --------------------------------------------------------------------------------


def test_where_purges_find_no_room_the_whole_site_is_purged(one_node, origin, start_edge):
    edge = start_edge("edge-1", CIRRUS_EDGE_PURGE_MEMORY="1m")
    origin.answer = numbered
    domain, other = (DomainFactory(origin__port=origin.port) for _ in range(2))
    for each in (domain, other):
        eventually(lambda each=each: edge.get(each.host, "/known").status_code == 200)
    purged(edge, other, urls=[f"/{'x' * 110}/{n}" for n in range(4000)])
    before = versions_of(edge, domain, "/named", "/unnamed")
    kept = edge.get(other.host, "/unnamed").text
    purged(edge, domain, urls=["/named", *(f"/{'x' * 110}/{n}" for n in range(4000))])
    after = versions_of(edge, domain, "/named", "/unnamed")
    assert [a != b for a, b in zip(before, after, strict=True)] == [True, True]
    assert "all of it is purged" in edge.errors()
    assert is_kept(edge, domain, "/unnamed")
    assert edge.get(other.host, "/unnamed").text == kept


def test_a_forgotten_record_of_tags_is_a_miss_and_never_an_old_object(one_node, origin, start_edge):
    edge = start_edge("edge-1", CIRRUS_EDGE_TAG_MEMORY="1m")
    many = ",".join(f"tag-number-{n}" for n in range(200))
    origin.answer = lambda request: numbered(
        request, (("Cache-Tag", "t" if request.path == "/first" else many),)
    )
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: edge.get(domain.host, "/known").status_code == 200)
    before = busy(edge, domain, "/first", 6)
    for n in range(700):  # 2 kB each
        edge.get(domain.host, f"/more/{n}")
    purged(edge, domain, tags=["t"])
    assert edge.get(domain.host, "/first").text not in before


def test_an_object_with_too_many_tags_goes_with_any_tag(edge, domain, origin):
    origin.answer = lambda request: numbered(request, (("Cache-Tag", ",".join(f"t{n}" for n in range(300))),))
    busy(edge, domain, "/many", 3)
    before = edge.get(domain.host, "/many").text
    purged(edge, domain, tags=["none-of-them"])
    assert edge.get(domain.host, "/many").text != before
