"""How the tests run the hidden primary, and ask it."""

import os

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
from django.conf import settings

from tests.dnszones.published import ask, key

APEX = "cdn.example"


def primary_settings(**more: str) -> dict[str, str]:
    """The environment of a primary. Its database is away: it must never ask for it."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "cirrus_site.settings",
        "REDIS_URL": settings.KEYSPACE_URL,
        "DATABASE_URL": "postgres://nobody:x@127.0.0.1:1/away",
        **more,
    }


def serial_of(server, apex=APEX, **options):
    response = ask(server.port, apex, "SOA", tsig=key(), **options)
    return response.answer[0][0].serial if response.answer else dns.rcode.to_text(response.rcode())


def sequences(port, serial, *, tcp=True):
    """The answer to IXFR as ("only", serial), ("whole", count) or ("difference", removed, added)."""
    query = dns.message.make_query(APEX, "IXFR")
    rrset = query.find_rrset(query.authority, dns.name.from_text(APEX), 1, dns.rdatatype.SOA, create=True)
    rrset.add(dns.rdata.from_text(1, dns.rdatatype.SOA, f". . {serial} 0 0 0 0"))
    query.use_tsig(key())
    exchange = dns.query.tcp if tcp else dns.query.udp
    response = exchange(query, "127.0.0.1", port=port, timeout=5, one_rr_per_rrset=True)
    records = [(rrset.name.to_text(), rrset.rdtype, rrset[0]) for rrset in response.answer]
    soas = [at for at, (_, kind, _) in enumerate(records) if kind == dns.rdatatype.SOA]
    if len(records) == 1:
        return ("only", records[0][2].serial)
    if len(soas) == 2:
        return ("whole", len(records))
    assert len(soas) == 4
    first, old, new, last = (records[at][2] for at in soas)
    assert first == new == last
    assert old.serial == serial

    def texts(part):
        return sorted(f"{name} {item.to_text()}" for name, _, item in part)

    return ("difference", texts(records[soas[1] + 1 : soas[2]]), texts(records[soas[2] + 1 : soas[3]]))
