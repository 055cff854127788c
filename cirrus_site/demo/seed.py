"""The first region, edges and domain of a demo, so that something can be seen at once."""

from django.db import transaction

from cirrus_site.config import Config
from cirrus_site.demo.programs import LOOPBACK, SECONDARY, SHOP, edge_address, edge_name
from dnszones.models import NameServer, Record, Secondary, Zone
from dnszones.secondaries import secondary_give_key
from dnszones.services import access_name
from dnszones.sites import sites_add
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from nodes.models import Node, Region

HOST = "www.demo.test"
ALIAS = "demo.test"
ACCESS_ZONE = "cdn.test"
#: Seconds: short, so that one can watch an edge go and come.
TTL = 10


def demo_seed(config: Config) -> bool:
    """Fill an empty database; False where an operator's data is there already, which stays as it is."""
    if Region.objects.exists() or Node.objects.exists() or Domain.objects.exists():
        return False
    with transaction.atomic():
        region = Region.objects.create(name="demo", title="This machine")
        for number, status_port in enumerate(config.demo_status_ports, start=1):
            Node.objects.create(
                name=edge_name(number),
                region=region,
                ipv4=edge_address(number),
                status_address=LOOPBACK,
                status_port=status_port,
                state=Node.State.UP,
                notes="Made by `just up`.",
            )
        domain = Domain.objects.create(host=HOST, notes="Made by `just up`: change it as you like.")
        for name in (ALIAS, SHOP):
            HostName.objects.create(domain=domain, name=name)
        Origin.objects.create(
            domain=domain, scheme=Origin.Scheme.HTTP, host=LOOPBACK, port=config.demo_origin_port
        )
        _example_rule(domain)
        _zones(config)
    return True


def _zones(config: Config) -> None:
    """A zone that gives the access names, and the one of the site, with a CNAME to one of those."""
    secondary = Secondary(
        name=SECONDARY, address=LOOPBACK, port=config.demo_dns_port, tsig_name=f"{SECONDARY}.demo"
    )
    secondary_give_key(secondary=secondary)
    for apex in (ACCESS_ZONE, ALIAS):
        zone = Zone.objects.create(apex=apex, serves_sites=apex == ACCESS_ZONE, default_ttl=TTL)
        NameServer.objects.create(zone=zone, name=f"ns1.{apex}", ipv4=LOOPBACK)
    sites_add()
    target = access_name(Domain.objects.get(host=HOST))
    Record.objects.create(
        zone=zone, name=SHOP.removesuffix(f".{ALIAS}"), type=Record.Type.CNAME, value=target
    )


def _example_rule(domain: Domain) -> None:
    """Something to play with: it changes nothing that one must know to understand the rest of the demo."""
    rule = CacheRule.objects.create(
        domain=domain,
        position=10,
        name="Static files: an hour, whatever a campaign adds to the link",
        edge_ttl=3600,
        query_mode=CacheRule.QueryMode.EXCEPT,
        query_names="utm_source\nutm_medium\nutm_campaign",
    )
    CacheCondition.objects.create(
        rule=rule, what=CacheCondition.What.EXTENSION, values="css\njs\nwoff2\nsvg\npng"
    )
