"""Names that are proven over HTTP are looked up first: one that leads nowhere costs nothing there."""

import socket

import pytest

from certificates.issuance.addresses import addresses_of, strays
from certificates.issuance.orders import order_advance
from certificates.issuance.outcomes import FailureKind
from certificates.models import Enrollment
from dnszones.models import Site
from nodes.models import Node
from tests.ca import Resolver
from tests.certificates.issuance.world import failed, issued, nothing_left

HOST = "www.shop.example"


def ask(settings, address):
    """Have our own look-ups go there, and not where the authority asks."""
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"resolvers": [address]})


@pytest.fixture
def ours(settings):
    """A resolver that only we ask; `world` comes before it."""
    found = Resolver(default=[])
    yield found
    found.stop()


def without_name(resolver):
    resolver.absent.add(HOST)


def without_address(resolver):
    resolver.addresses[HOST] = []


def with_a_dangling_alias(resolver):
    resolver.aliases[HOST] = "gone.example"
    resolver.absent.add("gone.example")


def in_a_circle(resolver):
    resolver.by_steps = True
    resolver.aliases |= {HOST: "there.example", "there.example": HOST}


@pytest.mark.parametrize("how", [without_name, without_address, with_a_dangling_alias, in_a_circle])
def test_a_name_that_leads_nowhere_is_not_ordered_and_what_to_do_is_said(world, how):
    enrollment = world.enroll(HOST, aliases=["shop.example"])
    how(world.resolver)
    outcome = failed(world.issue(enrollment))
    assert (outcome.kind, outcome.names) == (FailureKind.CHALLENGE, (HOST,))
    access = Site.objects.get(domain=enrollment.domain).access_name
    assert (
        f"{HOST} has no address in the DNS: create this record: {HOST}. CNAME {access}." in outcome.sentence
    )
    assert (world.ca.orders, world.ca.accounts) == (0, 0)

    for known in (world.resolver.aliases, world.resolver.addresses, world.resolver.absent):
        known.clear()
    assert issued(world.issue(enrollment))
    nothing_left(world)


def test_a_name_of_our_own_zone_that_nobody_answers_is_spoken_of_as_such(world):
    enrollment = world.enroll("www.cdn.example", challenge="http-01")
    world.resolver.absent.add("www.cdn.example")
    assert "although it lies in our zone cdn.example" in failed(world.issue(enrollment)).sentence


def test_where_no_zone_gives_access_names_the_addresses_of_the_edges_are_asked_for(world):
    world.zone.delete()
    enrollment = world.enroll(HOST)
    world.resolver.absent.add(HOST)
    assert "create A or AAAA records" in failed(world.issue(enrollment)).sentence


def test_of_many_names_some_are_named(world):
    enrollment = world.enroll("n0.example", aliases=[f"n{number}.example" for number in range(1, 5)])
    world.resolver.default = []
    outcome = failed(world.issue(enrollment))
    assert outcome.sentence.endswith("(2 more names have none.)")
    assert len(outcome.names) == 5


def test_a_resolver_that_fails_keeps_nobody_from_a_certificate(world, ours, settings):
    def fail(name, kind):
        raise OSError

    ours.lookup = fail
    ask(settings, ours.address)
    assert issued(world.issue(world.enroll(HOST)))


def test_a_resolver_that_is_silent_keeps_nobody_from_a_certificate(world, settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        ask(settings, f"127.0.0.1:{silent.getsockname()[1]}")
        assert issued(world.issue(world.enroll(HOST)))


def test_names_that_lead_elsewhere_are_ordered_and_spoken_of(world, ours, settings):
    ours.addresses[HOST] = ["203.0.113.7"]
    ask(settings, ours.address)
    enrollment = world.enroll(HOST)
    said = []

    def progress(what):
        if what == "state ordered":
            said.append(Enrollment.objects.get(pk=enrollment.pk).problem)

    assert issued(order_advance(world.open(enrollment).pk, progress=progress))
    assert said == [
        f"{HOST} leads to 203.0.113.7, which is none of the edges: fine where what is there passes port 80 "
        "on to them."
    ]

    # Where the authority sees something else there, both are said.
    world.edges.wrong = b"somebody else's page"
    outcome = failed(world.issue(enrollment))
    assert outcome.kind == FailureKind.UNAUTHORIZED
    assert "check that it points at the edges" in outcome.sentence
    assert outcome.sentence.endswith(said[0])


def test_an_edge_is_known_by_any_of_its_addresses_and_aliases_are_followed(world, ours, settings):
    ask(settings, ours.address)
    Node.objects.filter(name="edge-1").update(ipv4="192.0.2.1", ipv6="2001:db8::1")
    ours.by_steps = True  # as a name server does it that knows its own zones only
    ours.aliases["a.example"] = "there.example"
    ours.addresses |= {
        "there.example": ["2001:db8:0::1", "203.0.113.9"],
        "b.example": ["203.0.113.9"],
        "c.example": ["192.0.2.1"],
    }
    found = addresses_of(["a.example", "b.example", "c.example", "none.example"])
    assert found["a.example"] == {"2001:db8::1", "203.0.113.9"}
    assert found["none.example"] == frozenset()
    assert strays(found).startswith("b.example leads to 203.0.113.9, ")
    assert strays(found).count("leads to") == 1
    Node.objects.update(is_edge=False, is_shield=True)
    assert strays(found) == ""
