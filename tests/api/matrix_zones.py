"""Who may do what with zones: see tests/api/matrix.py."""

from typing import Any

from dnszones.models import Challenge, Site, ZoneVersion
from dnszones.sites import sites_add
from tests.api.matrix import ADMINISTRATORS, OPERATORS, VIEWERS, Row
from tests.dnszones.factories import RecordFactory, SecondaryFactory, ZoneFactory
from tests.factories import DomainFactory

AT = "/api/v1/zones"
RECORD = {"name": "new", "type": "A", "value": "192.0.2.9"}
ITEMS = {"items": [RECORD], "atomic": True}
TEXT = {"text": "new A 192.0.2.9\n"}
SECONDARY = {"name": "ns9", "address": "192.0.2.9", "tsig_name": "another-key"}
SITE = "/api/v1/sites/steered.example.com"

ROWS: list[Row] = [
    Row("GET", AT, "zones:read", VIEWERS),
    Row("POST", AT, "zones:write", OPERATORS, {"apex": "new.example"}, 201),
    Row("GET", f"{AT}/here.example", "zones:read", VIEWERS),
    Row("PUT", f"{AT}/new.example", "zones:write", OPERATORS, {}, 201),
    Row("PATCH", f"{AT}/here.example", "zones:write", OPERATORS, {"notes": "x"}),
    Row("DELETE", f"{AT}/here.example", "zones:write", OPERATORS, code=204),
    Row("GET", f"{AT}/here.example/status", "zones:read", VIEWERS),
    Row("POST", f"{AT}/here.example/publish-anyway", "zones:write", OPERATORS, code=202),
    Row("GET", f"{AT}/here.example/versions", "zones:read", VIEWERS),
    Row("GET", f"{AT}/here.example/versions/7", "zones:read", VIEWERS),
    Row("GET", f"{AT}/here.example/records", "zones:read", VIEWERS),
    Row("POST", f"{AT}/here.example/records", "zones:write", OPERATORS, RECORD, 201),
    Row("GET", f"{AT}/here.example/records/{{record}}", "zones:read", VIEWERS),
    Row("PUT", f"{AT}/here.example/records/{{record}}", "zones:write", OPERATORS, RECORD),
    Row("PATCH", f"{AT}/here.example/records/{{record}}", "zones:write", OPERATORS, {"ttl": 60}),
    Row("DELETE", f"{AT}/here.example/records/{{record}}", "zones:write", OPERATORS, code=204),
    Row("POST", f"{AT}/here.example/records/bulk", "zones:write", OPERATORS, ITEMS),
    Row("POST", f"{AT}/here.example/records/import", "zones:write", OPERATORS, TEXT),
    Row("GET", f"{AT}/here.example/records/export", "zones:read", VIEWERS),
    Row("GET", "/api/v1/challenges", "zones:read", VIEWERS),
    Row("GET", "/api/v1/challenges/{challenge}", "zones:read", VIEWERS),
    Row("GET", "/api/v1/secondaries", "secondaries:read", VIEWERS),
    Row("POST", "/api/v1/secondaries", "secondaries:write", ADMINISTRATORS, SECONDARY, 201),
    Row("GET", "/api/v1/secondaries/ns1", "secondaries:read", VIEWERS),
    Row("PUT", "/api/v1/secondaries/ns9", "secondaries:write", ADMINISTRATORS, SECONDARY, 201),
    Row("PATCH", "/api/v1/secondaries/ns1", "secondaries:write", ADMINISTRATORS, {"notes": "x"}),
    Row("DELETE", "/api/v1/secondaries/ns1", "secondaries:write", ADMINISTRATORS, code=204),
    Row("GET", "/api/v1/secondaries/ns1/states", "secondaries:read", VIEWERS),
    Row("POST", "/api/v1/secondaries/ns1/rotate-key", "secondaries:write", ADMINISTRATORS),
    Row("GET", "/api/v1/sites", "zones:read", VIEWERS),
    Row("GET", SITE, "zones:read", VIEWERS),
    Row("PUT", SITE, "zones:write", OPERATORS, {"ttl": 60}),
    Row("PATCH", SITE, "zones:write", OPERATORS, {"ttl": 60}),
    # Nothing is published in this world, so that there is nothing to explain.
    Row("GET", f"{SITE}/explain", "zones:read", VIEWERS, code=409),
    Row("GET", "/api/v1/sites/summary", "zones:read", VIEWERS),
]


def world(caller: Any) -> dict[str, Any]:
    """What the lines of this module speak of."""
    zone = ZoneFactory(apex="here.example", serves_sites=True)
    record = RecordFactory(zone=zone)
    SecondaryFactory(name="ns1")
    at = zone.created_at
    ZoneVersion.objects.create(zone=zone, serial=7, facts_at=at, published_at=at, changed=0, names=0)
    DomainFactory(host="steered.example.com")
    sites_add()
    assert Site.objects.count() >= 1
    challenge = Challenge.objects.create(zone=zone, name="_acme-challenge", value="x" * 43)
    return {"record": record.pk, "challenge": challenge.pk}
