"""What the tests of the configuration do, and what they look at."""

import pytest

from accounts.models import User
from certificates.models import Authority, Enrollment
from configuration.applying import config_apply
from configuration.errors import ConfigInvalid
from configuration.paths import written
from configuration.secrets import as_told
from dnszones.models import Record, Secondary, Site, StagedZone, Zone
from dnszones.publishing import zones_rebuild
from dnszones.store import read_zone
from domains.models import Domain
from edge.models import Keyspace, Outbox, Publication
from nodes.models import Node, Region
from tests.edge.keyspace_reader import acknowledge, documents

BOSS = User(username="boss", is_superuser=True, is_active=True)


def apply(document, **more):
    return config_apply(document=document, reveal=as_told, user=more.pop("user", BOSS), **more)


def wrong(document, **more):
    with pytest.raises(ConfigInvalid) as caught:
        apply(document, **more)
    return {written(path): said for path, said in caught.value.errors.items()}


def changes(plan):
    return [(item.change, item.section, item.key) for item in plan.items]


def published(server):
    """What edges and secondaries see, without revisions and keys of rows."""
    for node in Node.objects.all():
        acknowledge(server, node.name)
    zones_rebuild()
    found = without_keys({kind: documents(server, kind) for kind in ("domain", "node")})
    return found, {zone.apex: read_zone(server.client, zone.apex).names for zone in Zone.objects.all()}


def without_keys(value):
    if isinstance(value, list):
        return [without_keys(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: without_keys(each) for name, each in value.items() if name not in ("id", "rev", "epoch")}


def everything():
    models = (Domain, Node, Region, Zone, Record, Site, Enrollment, Outbox, Publication, Keyspace, StagedZone)
    return [list(model.objects.order_by("pk").values()) for model in models]


def empty():
    for model in (Domain, Site, Secondary, Zone, Node, Region, Authority, Publication, Outbox, StagedZone):
        model.objects.all().delete()
