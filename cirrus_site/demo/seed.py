"""The first region, edges and domain of a demo, so that something can be seen at once."""

from django.db import transaction

from certificates.models import Authority, Enrollment
from certificates.services.enrollments import enrollment_ensure
from cirrus_site.config import Config
from cirrus_site.demo.authority import directory_url, trusted_by
from cirrus_site.demo.programs import LOOPBACK, SECONDARY, SHOP, edge_address, edge_name
from dnszones.models import NameServer, Record, Secondary, Zone
from dnszones.secondaries import secondary_give_key
from dnszones.services import access_name
from dnszones.sites import sites_add
from domains.models import CacheCondition, CacheRule, Domain, HostName, Origin
from nodes.models import Node, Region

HOST = "www.demo.test"
ALIAS = "demo.test"
#: A second site, whose HTTPS is turned on as soon as clients are led to it.
STATIC = "static.demo.test"
#: How the names of each site are proven to the certificate authority.
CHALLENGES = {HOST: Enrollment.Challenge.DNS_01, STATIC: Enrollment.Challenge.HTTP_01}
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
        domain, _ = _site(config, HOST, ALIAS, SHOP), _site(config, STATIC)
        _example_rule(domain)
        _zones(config)
        _authority(config)
        https_turn_on(domain)
    return True


def https_turn_on(domain: Domain) -> None:
    """Have one of the demo's sites served over HTTPS, and its certificate ordered."""
    with transaction.atomic():
        domain.tls = True
        domain.save()
        enrollment = enrollment_ensure(domain=domain)
        if enrollment:
            enrollment.challenge = CHALLENGES[domain.host]
            enrollment.save()


def _site(config: Config, host: str, *aliases: str) -> Domain:
    domain = Domain.objects.create(host=host, notes="Made by `just up`: change it as you like.")
    for name in aliases:
        HostName.objects.create(domain=domain, name=name)
    Origin.objects.create(
        domain=domain, scheme=Origin.Scheme.HTTP, host=LOOPBACK, port=config.demo_origin_port
    )
    return domain


def _authority(config: Config) -> None:
    """The one that runs beside the demo. It is trusted as far as its own certificate goes."""
    Authority.objects.create(
        name="pebble", directory_url=directory_url(config), trust=trusted_by(config), terms_agreed=True
    )


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
