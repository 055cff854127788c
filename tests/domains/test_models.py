"""What can be stored of a domain: one form of each name, and one owner of it."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from domains import limits
from domains.documents import reason_not_served
from domains.models import Domain, HostName, Origin
from tests.factories import DomainFactory, HostNameFactory, OriginFactory

pytestmark = pytest.mark.django_db


def sentences(item) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        item.full_clean()
    return caught.value.message_dict


@pytest.mark.parametrize("spelling", ["www.taken.example", "WWW.Taken.Example.", "*.taken.example"])
def test_a_host_name_of_another_domain_is_refused_with_its_owner(spelling):
    owner = DomainFactory(host="www.taken.example")
    HostNameFactory(domain=owner, name="*.taken.example")

    (sentence,) = sentences(Domain(host=spelling))["host"]

    assert "www.taken.example" in sentence
    assert sentence.endswith("already.")


def test_an_alias_that_another_domain_has_is_refused_with_its_owner():
    DomainFactory(host="www.taken.example")
    mine = DomainFactory()

    assert sentences(HostName(domain=mine, name="Www.Taken.example"))["name"] == [
        "Another domain has the host name www.taken.example already."
    ]


def test_the_same_name_twice_in_one_domain_is_refused():
    domain = DomainFactory(host="www.mine.example")

    assert sentences(HostName(domain=domain, name="www.mine.example"))["name"] == [
        "This domain has this host name already."
    ]


def test_the_database_itself_refuses_a_second_claim():
    DomainFactory(host="www.taken.example")
    other = DomainFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        HostName.objects.create(domain=other, name="www.taken.example")


def test_two_domains_cannot_exchange_their_hosts_in_one_step():
    first, second = DomainFactory(host="a.example"), DomainFactory(host="b.example")
    first.host = "b.example"

    assert "host" in sentences(first)
    with pytest.raises(IntegrityError), transaction.atomic():
        first.save()
    assert set(HostName.objects.values_list("domain", "name")) == {
        (first.pk, "a.example"),
        (second.pk, "b.example"),
    }


def test_a_renamed_domain_gives_its_old_name_up():
    domain = DomainFactory(host="old.example")
    domain.host = "new.example"
    domain.save()

    Domain(host="old.example").full_clean()
    assert [name.name for name in domain.hostnames.all()] == ["new.example"]


def test_an_alias_that_becomes_the_host_name_is_one_claim():
    domain = DomainFactory(host="old.example")
    HostNameFactory(domain=domain, name="new.example")
    domain.host = "new.example"
    domain.full_clean()
    domain.save()

    assert list(domain.hostnames.values_list("name", "primary")) == [("new.example", True)]


def test_a_default_time_above_the_maximum_is_refused_at_its_field():
    assert "default_ttl" in sentences(Domain(host="a.example", default_ttl=20, max_ttl=10))


def test_an_origin_is_stored_as_an_edge_dials_it():
    origin = OriginFactory.build(
        domain=DomainFactory(),
        scheme=Origin.Scheme.HTTPS,
        host="Bücher.Example.",
        host_header="Bücher.Example:8443",
        sni="Bücher.example",
    )
    origin.full_clean()
    origin.save()
    origin.refresh_from_db()

    assert origin.host == origin.sni == "xn--bcher-kva.example"
    assert origin.host_header == "xn--bcher-kva.example:8443"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "http://a.example"),
        ("host", "a.example:80"),
        ("host", "169.254.169.254"),
        ("host", "*.a.example"),
        ("host_header", "a.example:99999"),
        ("host_header", "a b"),
        ("sni", "192.0.2.1"),
        ("port", 70_000),
        ("weight", 0),
        ("connect_timeout", 1),
    ],
)
def test_each_wrong_value_of_an_origin_is_a_sentence_at_its_field(field, value):
    origin = OriginFactory.build(domain=DomainFactory(), scheme=Origin.Scheme.HTTPS, **{field: value})

    (sentence,) = sentences(origin)[field]

    assert sentence.endswith(".")


def test_a_tls_server_name_without_tls_is_refused():
    origin = OriginFactory.build(domain=DomainFactory(), scheme=Origin.Scheme.HTTP, sni="a.example")

    assert sentences(origin) == {"sni": ["A TLS server name needs the scheme https."]}


def test_a_domain_says_why_the_edges_must_not_have_it():
    domain = DomainFactory(origin=False)
    assert reason_not_served(domain) == "it has no origin yet"
    OriginFactory(domain=domain, backup=True)
    assert reason_not_served(domain) == "all its origins are backups"
    OriginFactory(domain=domain)
    assert reason_not_served(domain) == ""
    domain.enabled = False
    assert reason_not_served(domain) == "disabled"


def test_a_domain_has_no_more_origins_and_aliases_than_an_edge_accepts():
    domain = DomainFactory(origin=False)
    Origin.objects.bulk_create([Origin(domain=domain, host="o.example") for _ in range(limits.ORIGINS)])
    assert sentences(Origin(domain=domain, host="o.example")) == {
        "__all__": ["A domain has at most 64 origins."]
    }
    Origin.objects.first().full_clean()  # one that is there can still be changed
    HostName.objects.bulk_create(
        [HostName(domain=domain, name=f"a-{number}.example") for number in range(limits.ALIASES)]
    )
    assert sentences(HostName(domain=domain, name="one-more.example")) == {
        "name": ["A domain has at most 10,000 aliases."]
    }
