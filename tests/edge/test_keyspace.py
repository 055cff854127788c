"""docs/keyspace.md is the contract: what the code writes stands in it."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from domains import limits
from domains.models import CacheRule, Origin
from edge import keyspace
from edge.acl import redis_users
from edge.models import Kind, PurgeRecord
from edge.projection import LOCK_TIME
from edge.purges.table import LONGEST_NAME, MOST_CHARACTERS, MOST_RECORDS
from edge.rendering import render
from edge.sync import REPAIR_LOCK_TIME
from tests.certificates import made
from tests.certificates.house import pem, the_house
from tests.factories import DomainFactory, NodeFactory

CONTRACT = Path(settings.BASE_DIR / "docs" / "keyspace.md").read_text()


def spelled(name):
    """Whether the page has `name` between backquotes, alone or with others."""
    return re.search(rf"`{re.escape(name)}`", CONTRACT) is not None


def section(title):
    return re.split(r"\n#{2,4} ", CONTRACT.partition(f"\n### {title}\n")[2])[0]


@pytest.mark.parametrize(
    "key",
    [
        *(keyspace.META, keyspace.CHANGES, keyspace.NOTIFY, keyspace.PUBLISH_LOCK, keyspace.REPAIR_LOCK),
        *(keyspace.document_key("domain", "{host}"), keyspace.document_key("node", "{name}")),
        *(keyspace.document_key("purge", "{host}"), keyspace.document_key("certificate", "{host}")),
        *(keyspace.document_key("challenge", "{host}"), keyspace.document_key("tickets", "tickets")),
        *(keyspace.index_key("{kind}"), keyspace.gone_key("{kind}")),
        *(keyspace.ZONES, keyspace.ZONES_CHANGES, keyspace.ZONES_CONFIRMED, keyspace.SECONDARIES),
        *(
            keyspace.zone_key("{apex}"),
            keyspace.zone_names_key("{apex}"),
            keyspace.zone_versions_key("{apex}"),
        ),
        *(keyspace.zone_draft_key("{apex}"), keyspace.zone_seen_key("{apex}")),
        *(keyspace.ack_key("{node}"), keyspace.acks_key("{node}"), keyspace.stats_pattern("{node}")),
        *(keyspace.health_key("{node}"), keyspace.HEALTH_ASKED),
        *(keyspace.HEALTH_LOCK, keyspace.probe_lock("{vantage}")),
    ],
)
def test_every_key_stands_in_the_contract(key):
    assert spelled(key)


@pytest.mark.parametrize(
    ("title", "fields"),
    [
        ("`cdn:meta`", [keyspace.META_EPOCH, keyspace.META_REV, keyspace.META_LAST]),
        ("`cdn:changes`", keyspace.ENTRY_FIELDS),
        ("`cdn:ack:{node}`", keyspace.ACK_FIELDS),
        ("`cdn:health:{node}`", keyspace.HEALTH_FIELDS),
    ],
)
def test_every_field_of_a_hash_and_of_the_stream_is_told(title, fields):
    assert all(f"`{field}`" in section(title) for field in fields)


def paths(value, prefix=""):
    """The names of all fields: `cache.max_ttl`, `origins[].port`."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield from paths(item, f"{prefix}{name}.")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield f"{prefix}{name}"
            yield from paths(item[0], f"{prefix}{name}[].")
        else:
            yield f"{prefix}{name}"


def secured_domain():
    domain = made.secured_domain(
        hsts_max_age=300, client_auth="optional", client_ca=pem(the_house().root).decode()
    )
    CacheRule.objects.create(domain=domain, name="Never", bypass=True)
    made.serve(domain, domain.enrollment.current, candidate=made.made_certificate(domain), node="edge-1")
    return domain


def purged_domain():
    domain = DomainFactory()
    PurgeRecord.objects.create(domain=domain, scope="url", name="/a", hard=1, purged_at=timezone.now())
    return domain


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "factory"),
    [
        (Kind.DOMAIN, secured_domain),
        (Kind.CERTIFICATE, secured_domain),
        (Kind.NODE, NodeFactory),
        (Kind.PURGE, purged_domain),
    ],
)
def test_every_field_of_a_document_is_told_and_no_other(kind, factory):
    made = factory()
    [rendered] = render(kind, [made.pk]).documents.values()
    told = set()
    for line in section(f"Kind `{kind}`").splitlines():
        if line.startswith("| `"):
            told |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    # What a rule has stands in a section of its own. Of an object that may be absent there is a row too.
    told -= {path for path in told if any(other.startswith(f"{path}.") for other in told)}
    assert told == {path for path in paths(rendered.body) if not path.startswith("rules[]")}
    assert set(json.loads(rendered.text(epoch=1, rev=2))) == {"schema", "epoch", "rev", *rendered.body}


def test_the_schemes_the_locks_and_the_users_are_those_of_the_code():
    assert all(f"`{scheme}`" in section("Kind `domain`") for scheme in Origin.Scheme.values)
    assert f"({REPAIR_LOCK_TIME} s, renewed" in CONTRACT
    assert f"({LOCK_TIME} s; value" in CONTRACT
    assert all(f"`{user.name}`" in CONTRACT for user in redis_users(["{node}"]))


def test_the_limits_of_a_purge_document_are_told_and_an_edge_accepts_them():
    told = section("Kind `purge`")
    assert all(f"{limit:,}" in told for limit in (MOST_RECORDS, LONGEST_NAME, MOST_CHARACTERS))
    assert limits.PURGES == MOST_RECORDS
    assert limits.PURGE_NAME >= LONGEST_NAME
