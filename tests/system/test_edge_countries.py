"""Rules by country, through a real edge with a database of countries."""

import subprocess
import sys

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from tests.factories import CacheConditionFactory, CacheRuleFactory, DomainFactory
from tests.servers import ROOT, OriginAnswer, eventually

pytestmark = [pytest.mark.system, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def database(tmp_path):
    """A database in which the loopback is in Germany."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-Country")
    writer.insert_network(IPSet(["127.0.0.0/8"]), {"country": {"iso_code": "DE"}})
    path = tmp_path / "countries.mmdb"
    writer.to_db_file(str(path))
    return path


def ruled(origin):
    origin.answer = lambda request: OriginAnswer(body=b"x", headers=(("Cache-Control", "max-age=60"),))
    domain = DomainFactory(origin__port=origin.port)
    for number, (country, path) in enumerate((("DE", "/german"), ("FR", "/french"))):
        rule = CacheRuleFactory(domain=domain, name=country, position=number, bypass=True)
        CacheConditionFactory(rule=rule, what="country", values=country)
        CacheConditionFactory(rule=rule, values=path)
    return domain


def test_a_rule_by_country_holds_for_clients_of_that_country(one_node, start_edge, origin, database):
    edge, domain = start_edge("edge-1", CIRRUS_EDGE_GEOIP=str(database)), ruled(origin)
    eventually(lambda: edge.get(domain.host, "/german").headers["X-Cache"] == "BYPASS")
    assert [edge.get(domain.host, "/french").headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]


def test_without_a_database_no_country_is_known(edge, origin):
    domain = ruled(origin)
    eventually(lambda: edge.get(domain.host, "/known").headers["X-Cache"] == "HIT")
    assert [edge.get(domain.host, "/german").headers["X-Cache"] for _ in range(2)] == ["MISS", "HIT"]


def test_a_database_that_is_not_there_stops_the_start_with_a_sentence(edge_settings, tmp_path):
    missing = str(tmp_path / "none.mmdb")
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "run_edge", "--node", "edge-9", "--check"],
        env={**edge_settings, "CIRRUS_EDGE_GEOIP": missing},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert f"CIRRUS_EDGE_GEOIP: there is no file {missing}." in done.stderr
