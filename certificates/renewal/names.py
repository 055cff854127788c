"""Which names a certificate must have. Pure; names are lower-case A-labels, wildcards `*.example.com`."""

from collections.abc import Collection, Iterable


def covers(names: Collection[str], wanted: str) -> bool:
    """Whether a certificate with these names serves this one (RFC 9525 section 6.3: one label a star)."""
    return wanted in names or (not wanted.startswith("*.") and f"*.{wanted.partition('.')[2]}" in names)


def missing(names: Collection[str], wanted: Iterable[str]) -> list[str]:
    """Those that a certificate with these names does not serve, sorted."""
    return sorted(name for name in set(wanted) if not covers(names, name))


def to_order(wanted: Iterable[str], *, first: str) -> list[str]:
    """The names to order: `first` in front, and none that a wildcard among them serves already.

    Authorities refuse an order that has both `*.example.com` and `www.example.com`.
    """
    names = set(wanted)
    needed = {name for name in names if name.startswith("*.") or not covers(names - {name}, name)}
    return sorted(needed, key=lambda name: (name != first, name))
