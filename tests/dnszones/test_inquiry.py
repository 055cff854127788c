"""Who serves a site, asked by people: by command and on the pages of the portal."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from dnszones.errors import NotSteered
from dnszones.inquiry import domain_inquire, domain_named, fleet_inquire, fleet_without
from dnszones.models import Site
from dnszones.services import site_steer
from nodes.models import Node
from nodes.services import node_drain
from tests.factories import DomainFactory, HostNameFactory, NodeFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(world):
    """A domain that both edges answer for."""
    domain = DomainFactory(host="www.a.example")
    HostNameFactory(domain=domain, name="a.example")
    world.settle()
    return Site.objects.get(domain=domain)


def told(capsys, *arguments):
    call_command("steering", *arguments)
    return capsys.readouterr().out


def test_a_site_is_explained_as_the_dns_answers_it(world, site):
    inquiry = domain_inquire(domain=site.domain)
    assert inquiry.explanation.answer.names == {"edge-1", "edge-2"}
    assert inquiry.names == (site.access_name,)
    assert world.addresses(site.access_name) == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize("name", ["www.a.example", "WWW.A.example.", "a.example"])
def test_a_domain_is_found_by_each_of_its_names(site, name):
    assert domain_named(name) == site.domain


def test_a_domain_is_found_by_its_access_name(site):
    assert domain_named(site.access_name) == site.domain


def test_a_name_that_no_domain_has_is_refused(site):
    with pytest.raises(NotSteered, match="No domain has the name nowhere.example"):
        domain_named("nowhere.example")


def test_overrides_are_explained(world, site):
    site_steer(site=site, pinned=[Node.objects.get(name="edge-2")])
    verdicts = {row.node: str(row.verdict) for row in domain_inquire(domain=site.domain).explanation.rows}
    assert verdicts == {"edge-1": "not pinned", "edge-2": "won"}


def test_an_edge_that_has_not_acknowledged_a_new_site_waits(world, site):
    new = DomainFactory()
    world.build()
    world.edges_catch_up("edge-1")
    inquiry = domain_inquire(domain=new)
    assert inquiry.explanation.answer.names == {"edge-1"}
    assert inquiry.explanation.answer.waiting == ("edge-2",)


def test_an_edge_that_is_answered_already_counts_as_having_the_site(world, site):
    world.redis.client.delete("cdn:ack:edge-2")
    assert domain_inquire(domain=site.domain).explanation.answer.names == {"edge-1", "edge-2"}


def test_asking_says_why_a_domain_is_not_answered(world):
    for facts, why in (
        ({"enabled": False}, "is disabled"),
        ({}, "has no name|not on its way"),
    ):
        with pytest.raises(NotSteered, match=why):
            domain_inquire(domain=DomainFactory(**facts))
    world.zone.enabled = False
    world.zone.save()
    with pytest.raises(NotSteered, match="no zone that is published"):
        domain_inquire(domain=DomainFactory())


def test_one_domain_is_asked_for_without_reading_the_others(world, site, django_assert_max_num_queries):
    for _ in range(5):
        DomainFactory()
    world.settle()
    with django_assert_max_num_queries(25):
        assert domain_inquire(domain=site.domain).domain == site.domain


def test_who_takes_over_is_told(world, site):
    NodeFactory(name="edge-3", ipv4="192.0.2.3")
    world.edges_catch_up("edge-1", "edge-2", "edge-3")
    before = domain_inquire(domain=site.domain).explanation.answer.names
    (gone, *_), (spare,) = sorted(before), {"edge-1", "edge-2", "edge-3"} - before
    inquiry = domain_inquire(domain=site.domain, without=[gone])
    assert inquiry.taking_over == (spare,)
    assert inquiry.sentences[0] == f"If {gone} was down:"
    assert inquiry.sentences[-1] == f"Taking over: {spare}."


def test_a_node_that_does_not_exist_cannot_go_down(site):
    with pytest.raises(NotSteered, match="no edge edge-9"):
        domain_inquire(domain=site.domain, without=["edge-9"])
    with pytest.raises(NotSteered, match="no edge edge-9"):
        fleet_without(nodes=["edge-1", "edge-9"])


def test_the_fleet_is_counted(world):
    for _ in range(30):
        DomainFactory()
    world.settle()
    node_drain(node=Node.objects.get(name="edge-1"), by="a test")
    fleet = fleet_inquire()
    assert fleet.sites == 30
    assert {load.node.name: load.sites for load in fleet.loads} == {"edge-1": 0, "edge-2": 30}
    change = fleet_without(nodes=["edge-2"])
    assert (change.takeover.moved, change.takeover.gained) == (30, {"edge-1": 30})
    assert change.sentence == "If edge-2 went down, 30 of 30 sites would move."


# The command.


def test_the_command_explains_a_site(capsys, site):
    out = told(capsys, "--explain", "www.a.example")
    assert f"www.a.example, answered at {site.access_name}" in out
    assert "(IPv4)." in out
    assert "They are chosen from the healthy nodes of all regions." in out
    (line,) = [line for line in out.splitlines() if line.startswith("edge-1")]
    assert line.split()[:3] == ["edge-1", "eu-west", "up"]
    assert "won" in line
    assert "It has no IPv6 address." in line


def test_the_command_tells_what_if_a_node_went_down(capsys, site):
    out = told(capsys, "--explain", site.access_name, "--without", "edge-1")
    assert "If edge-1 was down:" in out
    assert "Clients are sent to edge-2 (IPv4)." in out
    assert "No other takes over." in out
    out = told(capsys, "--without", "edge-1")
    assert "If edge-1 went down, 1 of 1 sites would move." in out


def test_the_command_sums_up(capsys, site):
    out = told(capsys, "--summary")
    assert out.splitlines()[0] == "1 sites"
    assert [line.split()[:5] for line in out.splitlines() if line.startswith("edge-")] == [
        ["edge-1", "eu-west", "up", "100", "1"],
        ["edge-2", "eu-west", "up", "100", "1"],
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Say what to tell"),
        (("--summary", "--without", "edge-1"), "no other option"),
        (("--explain", "nowhere.example"), "No domain has the name"),
        (("--without", "edge-9"), "no edge edge-9"),
    ],
)
def test_the_command_says_what_it_cannot_tell(site, arguments, why):
    with pytest.raises(CommandError, match=why):
        call_command("steering", *arguments)


# The pages.


def page_of(client, name, *arguments, **query):
    return client.get(reverse(f"admin:{name}", args=arguments), query).content.decode()


def test_the_page_of_a_site_tells_who_serves_it(admin_client, site):
    assert "Who serves it?" in page_of(admin_client, "dnszones_site_change", site.pk)
    page = page_of(admin_client, "dnszones_site_who_serves", site.pk)
    assert "They are chosen from the healthy nodes of all regions." in page
    assert 'data-node="edge-1"' in page
    assert "by score. It has no IPv6 address." in page


def test_the_page_of_a_site_tells_what_if_a_node_went_down(admin_client, site):
    page = page_of(admin_client, "dnszones_site_who_serves", site.pk, without="edge-1")
    assert "If edge-1 was down:" in page
    assert "Clients are sent to edge-2 (IPv4)." in page
    assert '<option value="edge-1" selected>' in page


def test_the_page_says_why_a_site_is_not_answered(admin_client, world, site):
    site.domain.enabled = False
    site.domain.save()
    assert "is disabled, so the DNS does not answer it." in page_of(
        admin_client, "dnszones_site_who_serves", site.pk
    )


def test_with_redis_down_the_page_says_that_it_is_not_known(admin_client, world, site):
    world.redis.stop()
    page = page_of(admin_client, "dnszones_site_who_serves", site.pk)
    assert "Redis cannot be reached" in page
    assert 'data-node="edge-1"' not in page


def test_a_choice_that_is_no_edge_is_refused(admin_client, site):
    page = page_of(admin_client, "dnszones_site_who_serves", site.pk, without="edge-9")
    assert "edge-9 is not one of the available choices." in page
    assert "If edge-9" not in page


def test_the_list_of_sites_tells_how_they_are_spread(admin_client, site):
    assert "How they are spread" in page_of(admin_client, "dnszones_site_changelist")
    page = page_of(admin_client, "dnszones_site_spread")
    assert "1 site, by health and overrides" in page
    page = page_of(admin_client, "dnszones_site_spread", without="edge-1")
    assert "If edge-1 went down, 1 of 1 sites would move." in page


def test_without_edges_the_page_says_so(admin_client, keyspace):
    assert "There are no edges yet." in page_of(admin_client, "dnszones_site_spread")


def test_who_may_not_see_sites_does_not_see_their_steering(client, django_user_model, site):
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    for address in (
        reverse("admin:dnszones_site_who_serves", args=[site.pk]),
        reverse("admin:dnszones_site_spread"),
    ):
        assert client.get(address).status_code == 403
