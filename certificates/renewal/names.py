"""Which names a certificate serves. Pure; names are lower-case A-labels, wildcards `*.example.com`."""

from collections.abc import Collection, Iterable

from certificates.issuance.names import wildcard_above


def covers(names: Collection[str], wanted: str) -> bool:
    """Whether a certificate with these names serves this one (RFC 9525 section 6.3: one label a star)."""
    return wanted in names or wildcard_above(wanted) in names


def missing(names: Collection[str], wanted: Iterable[str]) -> list[str]:
    """Those that a certificate with these names does not serve, sorted."""
    held = set(names)
    return sorted(name for name in set(wanted) if not covers(held, name))
