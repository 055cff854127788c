"""Which names stand in a certificate. Pure.

Names are A-labels in lower case, as `domains.hostnames` stores them; a wildcard is `*.example.com`.
"""

from collections.abc import Iterable


def ordered_names(primary: str, others: Iterable[str]) -> list[str]:
    """The names to order: the primary one first, the others by name, each once.

    A name that a wildcard beside it covers is left out, because authorities refuse it as redundant. (A
    wildcard of ours stands for any depth, one in a certificate for one label only: RFC 9525 section 6.3.)
    """
    names = {primary, *others}
    needed = [name for name in names if not (names & {wildcard_above(name)})]
    return sorted(needed, key=lambda name: (name != primary, name))


def wildcard_above(name: str) -> str:
    """The only wildcard that covers a name in a certificate: `www.example.com` → `*.example.com`."""
    return "" if name.startswith("*.") else f"*.{name.partition('.')[2]}"


def validated_name(name: str) -> str:
    """The name that is proven for it: `*.example.com` → `example.com` (RFC 8555 section 7.1.3)."""
    return name.removeprefix("*.")


def challenge_name(name: str) -> str:
    """Where the DNS-01 record of a name belongs: RFC 8555 section 8.4."""
    return f"_acme-challenge.{validated_name(name)}"
