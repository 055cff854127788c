"""What may be purged, and how much of it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from domains.models import CacheRule
from edge.errors import PurgeLimited, PurgeRefused
from edge.models import Purge, PurgeAllowance
from edge.purges.services import (
    purge_request,
)
from tests.edge.purges.world import ask, purges
from tests.factories import DomainFactory, HostNameFactory
from tests.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_any_name_of_a_domain_stands_for_it(keyspace):
    domain = DomainFactory(host="*.example.com")
    HostNameFactory(domain=domain, name="bücher.example")
    [purge] = purge_request(urls=["https://bücher.example/a", "http://img.example.com/b", "x.example.com/c"])
    assert (purge.domain, purge.targets) == (domain, 3)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"urls": ["https://other.example/a"]}, "No domain has the host name other.example."),
        ({"urls": ["/a"]}, "/a is a path: say of which domain"),
        ({}, "Say what to purge"),
        ({"prefixes": ["/a"]}, "Say of which domain"),
        ({"everything": True}, "Say of which domain"),
        ({"urls": ["https://www.example.com/", "nonsense"]}, "neither a path"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_done(keyspace, domain, what, sentence):
    with pytest.raises(PurgeRefused, match=sentence):
        purge_request(**what)
    assert not Purge.objects.exists()


def test_a_url_of_another_domain_and_everything_with_more_are_refused(keyspace, domain):
    other = DomainFactory(host="other.example")
    with pytest.raises(PurgeRefused, match="www.example.com belongs to the domain www.example.com, which"):
        purge_request(domains=[other], urls=["https://www.example.com/a"])
    with pytest.raises(PurgeRefused, match="leave them out"):
        purge_request(domains=[other], everything=True, tags=["a"])


def test_many_mistakes_are_not_all_told(keyspace, domain):
    with pytest.raises(PurgeRefused) as refused:
        purge_request(domains=[domain], urls=[f"x{n}" for n in range(100)])
    assert str(refused.value).endswith("95 more of them cannot be used.")


def test_one_query_is_purged_alone_unless_a_rule_changes_queries(keyspace, domain):
    ask(domain, "/a?x=1")
    assert purges(keyspace)["www.example.com"]["urls"][0][0] == "/a?x=1"
    CacheRule.objects.create(domain=domain, name="No queries", query_mode=CacheRule.QueryMode.NONE)
    widened = ask(domain, "/b?x=1", "/b?x=2", "/c").widened
    assert widened == "a rule of this domain changes the query in keys, so all queries of /b are purged"
    assert [row[0] for row in purges(keyspace)["www.example.com"]["urls"]] == ["/a?x=1", "/b", "/c"]


def test_a_domain_has_an_allowance_that_says_when_there_is_room(keyspace, domain, settings):
    settings.CIRRUS = settings.CIRRUS.model_copy(update={"purge_burst": 3, "purge_per_second": 0.1})
    other = DomainFactory(host="other.example")
    ask(domain, "/a", "/b")
    with pytest.raises(PurgeLimited, match=r"room for 1 more targets now; for 2 there will be in 10 s"):
        purge_request(urls=["https://other.example/a", "http://www.example.com/c", "www.example.com/d"])
    assert Purge.objects.count() == 1  # nothing is half done
    assert not Purge.objects.filter(domain=other).exists()
    PurgeAllowance.objects.update(at=timezone.now() - timedelta(seconds=11))
    ask(domain, "/c", "/d")
    with pytest.raises(PurgeLimited, match="more than one request may have"):
        ask(domain, *(f"/{n}" for n in range(4)))


def test_an_allowance_may_be_forgotten_while_it_is_taken(keyspace, domain):
    ask(domain, "/a")
    problems = []

    def one():
        try:
            purge_request(domains=[domain], urls=["/b"])
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    other = threading.Thread(target=one)
    with transaction.atomic():
        PurgeAllowance.objects.all().delete()
        other.start()
        if connection.vendor == "postgresql":  # where it waits for the row, and not for the whole database
            eventually(is_waited_for)
    other.join()
    assert problems == []
    assert PurgeAllowance.objects.count() == 1


def is_waited_for():
    """Whether another connection to this database waits for a lock that somebody has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0
