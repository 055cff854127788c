"""What can be refused about secrets at rest."""

from collections.abc import Sequence

from cirrus_site.errors import CirrusError


class KeyNotOnEdges(CirrusError):
    """Private keys are to be sealed with a key that some edge does not have."""

    def __init__(self, key_id: str, nodes: Sequence[str], failure: str = "") -> None:
        self.key_id, self.nodes = key_id, list(nodes)
        some = ", ".join(self.nodes[:5]) + (f" and {len(self.nodes) - 5} more" if len(self.nodes) > 5 else "")
        do = "does" if len(self.nodes) == 1 else "do"
        why = f"what edges have cannot be read: {failure}" if failure else f"{some} {do} not report it"
        super().__init__(
            f"The key “{key_id}” is not on every edge ({why}), so those could not open what is sealed with "
            "it. Give them what “manage.py edge_keys” prints, as CIRRUS_EDGE_KEYS, and reload them; --force "
            "does it all the same."
        )


class NoHttps(CirrusError):
    """A domain that does not serve HTTPS is to have a certificate."""

    def __init__(self, host: str, *, enabled: bool) -> None:
        self.host = host
        first = "turn on “Serve HTTPS” (`tls`)" if enabled else "enable it"
        super().__init__(f"{host} does not serve HTTPS: {first} first.")
