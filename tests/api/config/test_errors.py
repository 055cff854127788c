"""What is wrong in a configuration is named at its place."""

import pytest

from configuration.paths import written
from domains.models import Domain
from tests.api.config.world import wrong

pytestmark = pytest.mark.django_db(transaction=True)


def test_errors_name_their_path(installation):
    errors = wrong(
        {
            "version": 1,
            "regions": [{"name": "eu-west", "backups": ["nowhere"]}],
            "nodes": [{"name": "edge-9", "region": "eu-west", "ipv4": "192.0.2"}],
            "zones": [{"apex": "a.example", "records": [{"name": "x", "type": "A", "value": "y"}]}],
            "domains": [
                {"host": "a.example.com"},
                {"host": "b.example.com", "origins": [{"host": "127.0.0.1", "port": 70000}], "color": 1},
                {
                    "host": "c.example.com",
                    "origins": [{"host": "127.0.0.1"}, {"host": "127.0.0.1", "port": 0}],
                },
                {"host": "d.example.com", "certificate": {"key_type": "wood"}},
                {"host": "e.example.com", "steering": {"pinned": ["nobody"]}},
            ],
            "authorities": [{"name": "new", "directory_url": "https://a.example", "eab_kid": "kid"}],
        }
    )
    assert set(errors) == {
        "regions[0].backups[0]",
        "nodes[0].ipv4",
        "zones[0].records[0].value",
        "domains[1].color",
        "domains[2].origins[1].port",
        "domains[3].certificate.key_type",
        "domains[4].steering.pinned",
        "authorities[0].eab_key",
    }
    assert not Domain.objects.filter(host="a.example.com").exists()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], ""),
        ({"domains": []}, "version"),
        ({"version": 1, "servers": []}, "servers"),
        ({"version": 1, "domains": {}}, "domains"),
        ({"version": 1, "domains": ["www.example.com"]}, "domains[0].host"),
        ({"version": 1, "domains": [{"host": "a.example"}, {"host": "A.example"}]}, "domains[1].host"),
        ({"version": 1, "domains": [{"host": "a.example", "origins": 5}]}, "domains[0].origins"),
        ({"version": 1, "domains": [{"host": "a.example", "origins": [5]}]}, "domains[0].origins[0]"),
        ({"version": 1, "domains": [{"host": "a.example", "steering": []}]}, "domains[0].steering"),
    ],
)
def test_what_is_no_configuration_is_refused_at_its_place(keyspace, document, path):
    assert path in wrong(document)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("domains", 3, "origins", 0, "port"), "domains[3].origins[0].port"),
        (("domains", 3, "a.b"), 'domains[3]["a.b"]'),
        (("domains", 3, "a[0]", "b"), 'domains[3]["a[0]"].b'),
    ],
)
def test_a_path_is_written_so_that_a_name_is_not_taken_for_two(path, text):
    assert written(path) == text


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"domains": [{"host": "a.example", "a.b": 1}]}, "/document/domains/0/a.b"),
        ({"domains": [{"host": "a.example", "origins[0].port": 1}]}, "/document/domains/0/origins[0].port"),
        (
            {"domains": [{"host": "a.example", "origins": [{"host": "127.0.0.1", "x]y.z": 1}]}]},
            "/document/domains/0/origins/0/x]y.z",
        ),
        ({"domains": [{"host": "a.example", "a/b~c": 1}]}, "/document/domains/0/a~1b~0c"),
        ({"domains": [{"host": "a.example", "007": 1}]}, "/document/domains/0/007"),
        ({"domains": [{"host": "a.example", "__all__": 1}]}, "/document/domains/0/__all__"),
        ({"www.example.com": []}, "/document/www.example.com"),
        ({"domains[0]": []}, "/document/domains[0]"),
        ({"non_field_errors": []}, "/document/non_field_errors"),
        ({"domains": 5}, "/document/domains"),
    ],
)
def test_the_field_of_a_problem_is_a_pointer_whatever_names_there_are(keyspace, boss, document, field):
    answer = boss.post("/api/v1/config/plan", {"document": {"version": 1, **document}})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_domain_keeps_its_access_name(installation):
    document = {"version": 1, "domains": [{"host": "www.example.com", "access_name": "abc"}]}
    assert "domains[0].access_name" in wrong(document)
