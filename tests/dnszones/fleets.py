"""Fleets for the tests of steering."""

from dnszones.steering import NodeFacts, SiteFacts


def node(name, region="eu", state="up", **facts):
    """A node with both addresses, unless it is given others."""
    return NodeFacts(name, region, **{"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"} | facts, state=state)


def fleet(count, **facts):
    """edge-0, edge-1, …"""
    return [node(f"edge-{number}", **facts) for number in range(count)]


def many_sites(count, **facts):
    """site-0, site-1, …"""
    return [SiteFacts(f"site-{number}", **facts) for number in range(count)]
