"""Two programs at once: nobody is overwritten unseen, and nothing is half done."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from domains.models import CacheRule, Domain, HostName
from tests.api.conftest import client_with, secret_for, user_with
from tests.edge.keyspace_reader import documents
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/v1/domains"


@pytest.fixture
def at_once(keyspace):
    """`at_once(ask, ask)`: the answers of requests that are sent in the same moment, each by its client."""
    secret = secret_for(user_with("superuser"))

    def run(*asks):
        gate = threading.Barrier(len(asks))

        def ask(request):
            try:
                gate.wait()
                return request(client_with(secret))
            finally:
                connection.close()

        with ThreadPoolExecutor(len(asks)) as pool:
            return list(pool.map(ask, asks))

    return run


def test_of_two_edits_with_the_same_etag_one_is_refused(at_once, boss):
    DomainFactory(host="www.example.com")
    etag = boss.get(f"{AT}/www.example.com")["ETag"]
    answers = at_once(
        *(
            lambda client, ttl=ttl: client.patch(
                f"{AT}/www.example.com", {"default_ttl": ttl}, HTTP_IF_MATCH=etag
            )
            for ttl in (11, 12)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    [won] = [answer.json()["default_ttl"] for answer in answers if answer.status_code == 200]
    assert Domain.objects.get().default_ttl == won


def test_of_two_domains_that_claim_one_name_one_gets_it(at_once, keyspace):
    document = {"aliases": ["taken.example"], "origins": [{"host": "127.0.0.1"}]}
    answers = at_once(*(lambda client, n=n: client.put(f"{AT}/d{n}.example.com", document) for n in range(2)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 201 and codes[1] in (400, 409)
    assert HostName.objects.filter(name="taken.example").count() == 1
    assert Domain.objects.count() == len(documents(keyspace, "domain")) == 1


def test_the_same_put_twice_at_once_makes_one_domain(at_once, keyspace):
    document = {"rules": [{"name": "All", "edge_ttl": 5}], "origins": [{"host": "127.0.0.1"}]}
    answers = at_once(*(lambda client: client.put(f"{AT}/www.example.com", document) for _ in range(2)))
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert 201 in {answer.status_code for answer in answers}
    assert Domain.objects.count() == CacheRule.objects.count() == 1


def test_parts_that_are_added_at_once_are_both_there(at_once, keyspace):
    DomainFactory(host="www.example.com", origin=False)
    answers = at_once(
        *(
            lambda client, port=port: client.post(
                f"{AT}/www.example.com/origins", {"host": "127.0.0.1", "scheme": "http", "port": port}
            )
            for port in (8001, 8002)
        )
    )
    assert [answer.status_code for answer in answers] == [201, 201]
    ports = {origin["port"] for origin in documents(keyspace, "domain")["www.example.com"]["origins"]}
    assert ports == {8001, 8002}
