"""A certificate authority of the tests: a real Pebble with its API on a free port, and what it resolves with.

    with CertificateAuthority(folder, resolver=resolver) as ca: …
    ca.directory     # https://localhost:PORT/dir, trusted with the roots in ca.trust

Pebble validates for real: it asks `Resolver` for addresses and texts, and comes to `http_port` by HTTP-01.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import requests

from tests.servers import binary, certificate_for, eventually, free_port


class Resolver:
    """A resolver (UDP) for a CA: fixed answers, and questions passed on to the name servers of some zones.

    `addresses`: name → addresses; `texts`: name → TXT values; `aliases`: name → CNAME target, which are
    followed unless `by_steps`; `caa`: name → CAA records; `absent`: names that it says do not exist;
    `zones`: apex → port of a name server on 127.0.0.1; `lookup`: asked for (name, kind) before all of these,
    None where it does not know the name. A name that nobody knows has the addresses in `default`, where there
    are any.
    """

    def __init__(self, *, default: Iterable[str] = ("127.0.0.1",)) -> None:
        self.at_first = list(default)
        self.forget()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                packet, client = self.socket.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self._answer, args=(packet, client), daemon=True).start()

    def _answer(self, packet: bytes, client: Any) -> None:
        query = dns.message.from_wire(packet)
        question = query.question[0]
        name = question.name.to_text().rstrip(".").lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        try:
            self._fill(response, name, kind)
        except Exception:
            response.set_rcode(dns.rcode.SERVFAIL)
        with contextlib.suppress(OSError):
            self.socket.sendto(response.to_wire(), client)

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            target = self.aliases.get(name)
            if not target:
                break
            response.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", "CNAME", f"{target}."))
            if kind == "CNAME" or self.by_steps:
                return
            name = target
        if name in self.absent:
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        apex = next((apex for apex in self.zones if name == apex or name.endswith(f".{apex}")), None)
        if apex:
            asked = dns.message.make_query(f"{name}.", kind)
            passed = dns.query.udp(asked, "127.0.0.1", port=self.zones[apex], timeout=2)
            if passed.flags & dns.flags.TC:
                passed = dns.query.tcp(asked, "127.0.0.1", port=self.zones[apex], timeout=2)
            response.answer.extend(passed.answer)
            response.set_rcode(passed.rcode())
            return
        values = self._values(name, kind)
        if values:
            response.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", kind, *values))

    def _values(self, name: str, kind: str) -> list[str]:
        if (said := self.lookup(name, kind)) is not None:
            return said
        if kind == "TXT":
            return [f'"{value}"' for value in self.texts.get(name, [])]
        if kind == "CAA":
            return self.caa.get(name, [])
        if kind in ("A", "AAAA"):
            found = self.addresses.get(name, self.default)
            return [address for address in found if (":" in address) == (kind == "AAAA")]
        return []

    def forget(self) -> None:
        """Know nothing but the first default, and nothing of what was asked."""
        self.default = list(self.at_first)
        self.addresses: dict[str, list[str]] = {}
        self.texts: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        self.caa: dict[str, list[str]] = {}
        self.by_steps = False
        self.absent: set[str] = set()
        self.zones: dict[str, int] = {}
        self.questions: list[tuple[str, str]] = []
        self.lookup: Callable[[str, str], list[str] | None] = lambda name, kind: None

    def stop(self) -> None:
        """Answer nothing from now on."""
        self.socket.close()


@dataclass
class CertificateAuthority:
    """A Pebble. The options are those of its chaos: shares of 100, seconds.

    `bad_nonces`: so many of 100 requests are refused for their nonce; `slow`: seconds that a validation may
    take at most; `reuse`: so many of 100 authorizations are used again; `eab`: key id → HMAC key (base64url)
    of the external accounts that it wants; `blocked`: names that it refuses; `valid_for`: seconds that its
    certificates are valid; `alternate_roots`: other chains that it offers.
    """

    folder: Path
    resolver: Resolver | None = None
    http_port: int = 80
    bad_nonces: int = 0
    slow: int = 0
    reuse: int = 0
    eab: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=lambda: ["blocked.example"])
    valid_for: int = 3600
    alternate_roots: int = 0
    strict: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    counted: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.management_port = free_port(), free_port()
        _, self.trust_file = certificate_for("localhost", folder=self.folder)
        self.trust = self.trust_file.read_text()
        self.directory = f"https://localhost:{self.port}/dir"

    def __enter__(self) -> "CertificateAuthority":
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _settings(self) -> dict[str, Any]:
        return {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(self.trust_file),
            "privateKey": str(self.folder / "key.pem"),
            "httpPort": self.http_port,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": bool(self.eab),
            "externalAccountMACKeys": self.eab,
            "domainBlocklist": self.blocked,
            "certificateValidityPeriod": self.valid_for,
        }

    def start(self) -> None:
        """Start it and wait until it answers. It has forgotten every account, order and root of before."""
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": self._settings()}))
        chaos = {
            "PEBBLE_WFE_NONCEREJECT": str(self.bad_nonces),
            "PEBBLE_AUTHZREUSE": str(self.reuse),
            "PEBBLE_ALTERNATE_ROOTS": str(self.alternate_roots),
        }
        chaos |= {"PEBBLE_VA_SLEEPTIME": str(self.slow)} if self.slow else {"PEBBLE_VA_NOSLEEP": "1"}
        words = [binary("pebble"), "-config", str(self.folder / "pebble.json")]
        words += ["-strict"] if self.strict else []
        words += ["-dnsserver", self.resolver.address] if self.resolver else []
        with (self.folder / "pebble.log").open("ab") as log:
            self.process = subprocess.Popen(words, env={**os.environ, **chaos}, stdout=log, stderr=log)
        eventually(lambda: requests.get(self.directory, verify=str(self.trust_file), timeout=2).ok)

    def count_anew(self) -> None:
        """Leave out of `log` and of the counts what it has written until now."""
        self.counted += len(self.log())

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
            self.process = None

    @property
    def roots(self) -> str:
        """The PEM of the root that its certificates lead to; another one after each start."""
        url = f"https://localhost:{self.management_port}/roots/0"
        return requests.get(url, verify=str(self.trust_file), timeout=5).text

    def status_of(self, serial: int) -> str:
        """“Valid” or “Revoked”: what it says of its certificate with this serial number."""
        url = f"https://localhost:{self.management_port}/cert-status-by-serial/{serial:x}"
        return str(requests.get(url, verify=str(self.trust_file), timeout=5).json()["Status"])

    @property
    def orders(self) -> int:
        """How many orders it has been given, since its folder was made or `count_anew`."""
        return self.log().count("Added order ")

    @property
    def accounts(self) -> int:
        """How many accounts have been made, since then too."""
        return self.log().count(" accounts in memory")

    def log(self) -> str:
        """What it has written."""
        return (self.folder / "pebble.log").read_text(errors="replace")[self.counted :]
