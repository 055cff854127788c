"""From a save in the control plane to what real edges serve."""

import pytest

from edge.models import Kind
from edge.outbox import flush
from edge.services import change_status, publication_status
from tests.factories import DomainFactory, HostNameFactory
from tests.servers import eventually
from tests.system.configuration_world import applied, serves

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


def test_a_saved_domain_is_served_by_every_edge_first_as_a_miss_then_as_a_hit(edges, origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied(edges, domain))
    for edge in edges:
        answers = [edge.get(domain.host, "/a") for _ in range(2)]
        assert [answer.headers["X-Cache"] for answer in answers] == ["MISS", "HIT"]
        assert {answer.text for answer in answers} == {f"/a from {origin.port}"}
    status = publication_status(kind=Kind.DOMAIN, object_id=domain.pk)
    assert status.sentence.startswith("on 2 of 2 edges, 0.")
    assert {edge.answer for edge in change_status(rev=status.rev).edges} == {"applied"}


def test_a_changed_origin_is_used_by_every_edge_at_once(edges, origin, start_origin):
    domain = DomainFactory(origin__port=origin.port)
    eventually(lambda: applied(edges, domain))
    other = start_origin()
    entry = domain.origins.get()
    entry.port = other.port
    entry.save()
    eventually(lambda: applied(edges, domain))
    assert all(serves(edge, other, domain.host, "/new") for edge in edges)


def test_an_unknown_host_gets_404_and_is_not_passed_on(edge, origin):
    DomainFactory(origin__port=origin.port)
    assert edge.get("unknown.example").status_code == 404
    assert edge.get("127.0.0.1").status_code == 404
    assert edge.get("a" * 300 + ".example").status_code == 404
    assert origin.requests == []


def test_renaming_a_domain_withdraws_its_old_name(edge, origin):
    domain = DomainFactory(origin__port=origin.port)
    old = domain.host
    eventually(lambda: serves(edge, origin, old))
    domain.host = "new." + old
    domain.save()
    eventually(lambda: edge.get(old).status_code == 404)
    assert serves(edge, origin, "new." + old)


def test_a_disabled_domain_and_a_deleted_one_are_withdrawn(edge, origin):
    one, two = DomainFactory(origin__port=origin.port), DomainFactory(origin__port=origin.port)
    eventually(lambda: serves(edge, origin, one.host) and serves(edge, origin, two.host))
    one.enabled = False
    one.save()
    two.delete()
    eventually(lambda: [edge.get(d.host).status_code for d in (one, two)] == [404, 404])
    one.enabled = True
    one.save()
    eventually(lambda: serves(edge, origin, one.host))


def test_the_exact_name_beats_the_nearest_wildcard_which_beats_the_farther(edge, start_origin):
    exact, near, far = start_origin(), start_origin(), start_origin()
    DomainFactory(host="*.example.com", origin__port=far.port)
    DomainFactory(host="*.b.example.com", origin__port=near.port)
    last = DomainFactory(host="a.b.example.com", origin__port=exact.port)
    eventually(lambda: edge.health()["domains"] == 3)
    assert serves(edge, exact, last.host)
    assert serves(edge, near, "x.y.b.example.com")
    assert serves(edge, far, "b.example.com")
    assert edge.get("example.com").status_code == 404
    assert serves(edge, exact, "A.B.EXAMPLE.com.:80")


def test_an_alias_moves_from_one_domain_to_another(edge, start_origin):
    first, second = start_origin(), start_origin()
    one, two = DomainFactory(origin__port=first.port), DomainFactory(origin__port=second.port)
    alias = HostNameFactory(domain=one, name="moving.example")
    eventually(lambda: serves(edge, first, "moving.example", "/1"))
    alias.domain = two
    alias.save()
    flush()
    eventually(lambda: serves(edge, second, "moving.example", "/2"))
    one.notes = "saved again, and must not take the name back"
    one.default_ttl = 7
    one.save()
    eventually(lambda: applied([edge], one))
    assert serves(edge, second, "moving.example", "/3")
