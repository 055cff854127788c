"""What edges serve, found out by real TLS handshakes (RFC 8446, RFC 6066 section 3) with many at once.

Nothing is sent after the handshake, and what is served is compared by fingerprint, not verified: whether it
should be served has been judged before. Whatever may stand at an address, each ends in time.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nodes.addresses import address_refusal

#: Handshakes at the same time; each costs an edge a signature, and this process a verification of it.
AT_ONCE = 100
#: Seconds that one may take.
PATIENCE = 5.0


@dataclass(frozen=True)
class Target:
    """Whom to ask for what. `address`: an IP address; `server_name`: what is sent as SNI."""

    node: str
    address: str
    server_name: str


@dataclass(frozen=True)
class Served:
    """What one answered. `fingerprint`: SHA-256 (hex) of the certificate it served, "" where it served none.

    `why`: half a sentence on what went wrong. `reached`: something answered there, be it with an alert.
    """

    fingerprint: str = ""
    why: str = ""
    reached: bool = True


def handshakes(
    targets: Sequence[Target], *, port: int, allow: Iterable[str] = (), patience: float = PATIENCE
) -> list[Served]:
    """Shake hands with all of them, in their order. Never raises.

    `allow`: networks in which loopback addresses are allowed (CIRRUS_ORIGIN_ALLOW).
    """
    return asyncio.run(_all(targets, port, [*allow], patience)) if targets else []


async def _all(targets: Sequence[Target], port: int, allow: list[str], patience: float) -> list[Served]:
    context = _context()
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(target: Target) -> Served:
        async with turn:
            return await _one(target, port, context, allow, patience)

    return list(await asyncio.gather(*map(one, targets)))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _one(
    target: Target, port: int, context: ssl.SSLContext, allow: list[str], patience: float
) -> Served:
    where = f"{target.address} port {port}"
    if refusal := address_refusal(target.address, allow=allow):
        return Served(why=f"it is not asked: {refusal}", reached=False)
    try:
        async with asyncio.timeout(patience):
            return Served(await _fingerprint(target, port, context, patience))
    except TimeoutError:
        return Served(why=f"no handshake with {where} within {patience:g} s", reached=False)
    except ssl.SSLError as error:
        return Served(why=f"the handshake with {where} failed: {_reason(error)}")
    except ConnectionResetError:
        return Served(why=f"the handshake with {where} was cut off")
    except OSError as error:
        said = error.strerror or type(error).__name__
        return Served(why=f"{where} cannot be reached: {said[:1].lower() + said[1:]}", reached=False)


async def _fingerprint(target: Target, port: int, context: ssl.SSLContext, patience: float) -> str:
    _, writer = await asyncio.open_connection(
        target.address,
        port,
        ssl=context,
        server_hostname=target.server_name,
        ssl_handshake_timeout=patience,
        ssl_shutdown_timeout=0.1,
    )
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return hashlib.sha256(der).hexdigest()
    finally:
        writer.transport.abort()


def _reason(error: ssl.SSLError) -> str:
    """`tlsv1 unrecognized name` for what OpenSSL calls TLSV1_UNRECOGNIZED_NAME."""
    return (error.reason or "no TLS is spoken there").replace("_", " ").lower()
