"""The pages of domains, as an operator uses them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from domains import limits
from domains.models import Domain, HostName, HostNameQuerySet
from tests.factories import DomainFactory, HostNameFactory, NodeFactory, OriginFactory
from tests.pages import messages_of, sentences_of

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/domains/domain/add/"
LIST = "/admin/domains/domain/"


def form(host: str, *, aliases=(), origins=(), keep=(), **fields):
    """What the browser sends. `keep`: (alias row that exists, its name, or None to delete it)."""
    data = {"host": host, "enabled": "on", "default_ttl": 300, "max_ttl": 3600, "negative_ttl": 10}
    data |= {"stale_while_revalidate": 10, "stale_if_error": 86_400, "guard": "on"}
    data |= {"hsts_max_age": 0, "tls_policy": "intermediate", "client_auth": "off", **fields}
    rows = [(row.pk, name) for row, name in keep] + [(None, name) for name in aliases]
    data |= {"hostnames-TOTAL_FORMS": len(rows), "hostnames-INITIAL_FORMS": len(keep)}
    for number, (pk, name) in enumerate(rows):
        data[f"hostnames-{number}-id"] = pk or ""
        data[f"hostnames-{number}-name"] = name or "deleted.example"
        if name is None:
            data[f"hostnames-{number}-DELETE"] = "on"
    data |= {"rules-TOTAL_FORMS": 0, "rules-INITIAL_FORMS": 0}
    data |= {"origins-TOTAL_FORMS": len(origins), "origins-INITIAL_FORMS": 0}
    for number, origin in enumerate(origins):
        values = {"scheme": "http", "weight": 100, "connect_timeout": 1000, "read_timeout": 15000, **origin}
        data |= {f"origins-{number}-{name}": value for name, value in values.items()}
    return data


def change(domain: Domain) -> str:
    return reverse("admin:domains_domain_change", args=[domain.pk])


def aliases_of(domain: Domain) -> set[str]:
    return set(domain.hostnames.filter(primary=False).values_list("name", flat=True))


def test_a_domain_is_added_with_its_origins_and_aliases(admin_client, keyspace):
    origins = [{"host": "127.0.0.1", "port": 8090}, {"host": "spare.example", "backup": "on"}]
    answer = admin_client.post(ADD, form("Bücher.Example", aliases=["*.Bücher.Example"], origins=origins))

    assert answer.status_code == 302, sentences_of(answer)
    domain = Domain.objects.get()
    assert domain.host == "xn--bcher-kva.example"
    assert aliases_of(domain) == {"*.xn--bcher-kva.example"}
    assert [origin.backup for origin in domain.origins.all()] == [False, True]


def test_an_alias_that_is_typed_twice_is_refused_at_its_row(admin_client, keyspace):
    answer = admin_client.post(ADD, form("a.example", aliases=["B.example", "b.Example."]))

    assert "b.example stands here twice." in sentences_of(answer)
    assert not Domain.objects.exists()


def test_an_alias_that_is_the_host_name_itself_is_refused_at_its_row(admin_client, keyspace):
    answer = admin_client.post(ADD, form("a.example", aliases=["A.example"]))

    assert "a.example is the host name of this domain itself." in sentences_of(answer)


def test_a_host_or_an_alias_of_another_domain_is_refused_with_its_owner(admin_client, keyspace):
    owner = DomainFactory(host="owner.example")
    HostNameFactory(domain=owner, name="alias.example")

    as_host = admin_client.post(ADD, form("alias.example"))
    as_alias = admin_client.post(ADD, form("new.example", aliases=["owner.example"]))

    assert "alias.example is an alias of the domain owner.example already." in sentences_of(as_host)
    assert "Another domain has the host name owner.example already." in sentences_of(as_alias)


def test_two_aliases_can_exchange_their_names(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    one = HostNameFactory(domain=domain, name="1.b.example")
    two = HostNameFactory(domain=domain, name="2.b.example")

    swapped = [(one, "2.b.example"), (two, "1.b.example")]
    answer = admin_client.post(change(domain), form("a.example", keep=swapped))

    assert answer.status_code == 302, sentences_of(answer)
    assert HostName.objects.get(pk=one.pk).name == "2.b.example"
    assert aliases_of(domain) == {"1.b.example", "2.b.example"}


def test_a_name_can_pass_from_a_deleted_alias_to_another_row(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    one = HostNameFactory(domain=domain, name="1.b.example")
    two = HostNameFactory(domain=domain, name="2.b.example")

    answer = admin_client.post(
        change(domain), form("a.example", keep=[(one, "2.b.example"), (two, None)], aliases=["1.b.example"])
    )

    assert answer.status_code == 302, sentences_of(answer)
    assert aliases_of(domain) == {"1.b.example", "2.b.example"}


def test_host_and_alias_can_exchange_their_names(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    alias = HostNameFactory(domain=domain, name="b.example")

    answer = admin_client.post(change(domain), form("b.example", keep=[(alias, "a.example")]))

    assert answer.status_code == 302, sentences_of(answer)
    domain.refresh_from_db()
    assert (domain.host, aliases_of(domain)) == ("b.example", {"a.example"})


def test_the_loser_of_a_race_for_a_host_reads_whose_it_is(admin_client, keyspace, monkeypatch):
    """Both looks of the first validation (host, alias) fall before the winner's commit."""
    DomainFactory(host="raced.example")
    look, looks = HostNameQuerySet.claims_of_others, []

    def early_at_first(claims, names, **others):
        looks.append(names)
        return claims.none() if len(looks) <= 2 else look(claims, names, **others)

    monkeypatch.setattr(HostNameQuerySet, "claims_of_others", early_at_first)
    answer = admin_client.post(ADD, form("new.example", aliases=["raced.example"]))

    assert len(looks) > 2, "the first validation must have passed"
    assert "Another domain has the host name raced.example already." in sentences_of(answer)
    assert not Domain.objects.filter(host="new.example").exists()


def test_an_origin_says_at_its_field_what_is_wrong(admin_client, keyspace):
    wrong = [{"host": "http://a.example", "port": 70_000}]
    answer = admin_client.post(ADD, form("a.example", origins=wrong))

    assert "enter only the host name" in " ".join(sentences_of(answer))
    assert "less than or equal to 65535" in " ".join(sentences_of(answer))


def test_a_domain_without_an_origin_is_saved_and_says_why_it_is_not_served(admin_client, keyspace):
    answer = admin_client.post(ADD, form("a.example", _continue="1"), follow=True)

    assert "not on the edges: it has no origin yet" in answer.content.decode()


def test_disabling_asks_first_and_says_what_it_does(admin_client, keyspace):
    domain = DomainFactory(host="a.example")
    action = {"action": "disable", "_selected_action": [domain.pk]}

    asked = admin_client.post(LIST, action)
    assert "answer 404" in asked.content.decode()
    domain.refresh_from_db()
    assert domain.enabled

    done = admin_client.post(LIST, action | {"confirmed": "yes"}, follow=True)
    assert messages_of(done) == ["Disabled: a.example."]
    domain.refresh_from_db()
    assert not domain.enabled
    assert "not on the edges: disabled" in done.content.decode()

    admin_client.post(LIST, {"action": "enable", "_selected_action": [domain.pk]})
    domain.refresh_from_db()
    assert domain.enabled


def test_deleting_says_what_the_edges_will_answer(admin_client, keyspace):
    domain = DomainFactory()
    one = admin_client.get(reverse("admin:domains_domain_delete", args=[domain.pk]))
    many = admin_client.post(LIST, {"action": "delete_selected", "_selected_action": [domain.pk]})

    assert "The edges will answer 404" in one.content.decode()
    assert "The edges will answer 404" in many.content.decode()


def test_a_list_of_many_domains_needs_no_more_queries_than_one_of_few(
    admin_client, keyspace, django_assert_max_num_queries
):
    NodeFactory()
    for _ in range(3):
        OriginFactory(domain=DomainFactory())
    admin_client.get(LIST)
    with django_assert_max_num_queries(20) as few:
        admin_client.get(LIST)
    for _ in range(20):
        HostNameFactory(domain=DomainFactory())
    with django_assert_max_num_queries(20) as many:
        admin_client.get(LIST)

    assert len(many) == len(few)


def test_search_finds_a_unicode_name_an_alias_and_an_origin(admin_client, keyspace):
    domain = DomainFactory(host="bücher.example", origin__host="backend.internal.example")
    HostNameFactory(domain=domain, name="other.example")
    DomainFactory(host="unrelated.example", origin=False)

    for words in ("Bücher.example", "other.ex", "backend.internal"):
        page = admin_client.get(LIST, {"q": words}).content.decode()
        assert "bücher.example" in page
        assert "unrelated.example" not in page


def test_the_filter_finds_domains_without_an_origin(admin_client, keyspace):
    DomainFactory(host="with.example")
    DomainFactory(host="without.example", origin=False)

    page = admin_client.get(LIST, {"origins": "none"}).content.decode()

    assert "without.example" in page
    assert "with.example" not in page.replace("without.example", "")


def test_an_empty_list_says_what_a_domain_is(admin_client, keyspace):
    assert "A domain is a site that your edges serve" in admin_client.get(LIST).content.decode()


def test_of_many_who_claim_each_others_names_at_once_one_wins_and_nobody_sees_a_failure(admin_user, keyspace):
    together = threading.Barrier(4)

    def claim(number: int) -> int:
        client = Client()
        client.force_login(admin_user)
        host, alias = ("a.example", "b.example") if number % 2 else ("b.example", "a.example")
        together.wait()
        try:
            return client.post(ADD, form(host, aliases=[alias])).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as people:
        statuses = sorted(people.map(claim, range(4)))

    assert statuses == [200, 200, 200, 302]
    assert Domain.objects.count() == 1
    assert set(HostName.objects.values_list("name", flat=True)) == {"a.example", "b.example"}


def test_more_origins_than_an_edge_accepts_are_refused_in_the_form(admin_client, keyspace):
    origins = [{"host": f"o{number}.example"} for number in range(limits.ORIGINS + 1)]
    answer = admin_client.post(ADD, form("many.example", origins=origins))

    assert any("at most 64" in sentence for sentence in sentences_of(answer)), sentences_of(answer)
    assert not Domain.objects.exists()
