"""Asking secondaries what they answer: the marker record and the SOA of each zone, all at once."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT

from dnszones.zonedata import MARKER

#: Seconds for one question, over UDP and then over TCP.
TIMEOUT = 2.0
#: Questions on their way at once: more would need more sockets than a process may have.
AT_ONCE = 200


@dataclass(frozen=True)
class Question:
    """One secondary and one zone."""

    secondary_id: int
    zone_id: int
    apex: str
    address: str
    port: int


@dataclass(frozen=True)
class Seen:
    """What it answered. `serial`: by the marker record; `error`: why there is none, as half a sentence."""

    serial: int | None = None
    soa_serial: int | None = None
    error: str = ""


class _Unusable(Exception):
    """An answer came, and it is not what an authority of the zone says."""


def ask(questions: Iterable[Question], *, timeout: float = TIMEOUT) -> dict[Question, Seen]:
    """What each secondary answers. Takes little longer than `timeout`, however many do not answer."""
    return asyncio.run(_ask_all(list(questions), timeout))


async def _ask_all(questions: list[Question], timeout: float) -> dict[Question, Seen]:
    slots = asyncio.Semaphore(AT_ONCE)
    # A secondary that is silent for one zone is not asked for a thousand others: that would take minutes.
    silent: dict[tuple[str, int], str] = {}

    async def one(question: Question) -> Seen:
        server = (question.address, question.port)
        async with slots:
            if server in silent:
                return Seen(error=silent[server])
            seen, answered = await _ask_one(question, timeout)
            if not answered:
                silent[server] = seen.error
            return seen

    found = await asyncio.gather(*(one(question) for question in questions))
    return dict(zip(questions, found, strict=True))


async def _ask_one(question: Question, timeout: float) -> tuple[Seen, bool]:
    """What is seen, and whether the server is there at all."""
    try:
        async with asyncio.timeout(timeout):
            marker, soa = await asyncio.gather(
                _query(question, f"{MARKER}.{question.apex}.", "TXT", timeout),
                _query(question, f"{question.apex}.", "SOA", timeout),
            )
        return Seen(_marker_serial(marker), _soa_serial(soa)), True
    except _Unusable as error:
        return Seen(error=str(error)), True
    except TimeoutError:
        return Seen(error=f"it does not answer within {timeout:g} s"), False
    except (OSError, EOFError, dns.exception.DNSException) as error:
        return Seen(error=f"it cannot be asked ({error or type(error).__name__})"), False


async def _query(question: Question, name: str, rtype: str, timeout: float) -> dns.message.Message:
    query = dns.message.make_query(name, rtype)
    query.flags &= ~dns.flags.RD
    half = timeout / 2
    where, port = question.address, question.port
    with contextlib.suppress(dns.exception.Timeout):
        answer = await dns.asyncquery.udp(query, where, timeout=half, port=port, ignore_errors=True)
        if not answer.flags & dns.flags.TC:
            return _checked(answer)
    # A way that swallows UDP packets is no reason to think that the zone is old.
    return _checked(await dns.asyncquery.tcp(query, where, timeout=half, port=port))


def _checked(answer: dns.message.Message) -> dns.message.Message:
    if answer.rcode() != dns.rcode.NOERROR:
        raise _Unusable(f"it answers {dns.rcode.to_text(answer.rcode())}")
    if not answer.flags & dns.flags.AA:
        raise _Unusable("it answers, but not as an authority of this zone")
    return answer


def _marker_serial(answer: dns.message.Message) -> int:
    for rrset in answer.answer:
        for rdata in rrset:
            if isinstance(rdata, TXT):
                text = b"".join(rdata.strings)
                if text.isdigit() and len(text) <= 10:
                    return int(text)
    raise _Unusable("it has no version of ours (no marker record)")


def _soa_serial(answer: dns.message.Message) -> int | None:
    serials = (rdata.serial for rrset in answer.answer for rdata in rrset if isinstance(rdata, SOA))
    return next(serials, None)
