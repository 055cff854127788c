"""Problem documents of authorities (RFC 8555 section 6.7) as failures, in words for operators. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from certificates.issuance.outcomes import Failed, FailureKind

PREFIX = "urn:ietf:params:acme:error:"

#: Longest text of an authority that is kept and shown.
MOST_DETAIL = 500
#: Nobody is made to wait for longer than this by a header.
MOST_PATIENCE = timedelta(days=31)

#: What authorities quote of what they expected or saw: a token and the thumbprint of our account's key.
_SHOWN = re.compile(r"[A-Za-z0-9_-]{8,256}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")

KINDS = {
    "rateLimited": FailureKind.RATE_LIMITED,
    "rejectedIdentifier": FailureKind.REJECTED_IDENTIFIER,
    "unsupportedIdentifier": FailureKind.REJECTED_IDENTIFIER,
    "caa": FailureKind.CAA,
    "dns": FailureKind.DNS,
    "dnssec": FailureKind.DNS,
    "unknownHost": FailureKind.DNS,
    "connection": FailureKind.CONNECTION,
    "tls": FailureKind.CONNECTION,
    "unauthorized": FailureKind.UNAUTHORIZED,
    "incorrectResponse": FailureKind.UNAUTHORIZED,
    "accountDoesNotExist": FailureKind.ACCOUNT,
    "externalAccountRequired": FailureKind.ACCOUNT,
    "userActionRequired": FailureKind.ACCOUNT,
    "invalidContact": FailureKind.ACCOUNT,
    "invalidEmail": FailureKind.ACCOUNT,
    "unsupportedContact": FailureKind.ACCOUNT,
    "serverInternal": FailureKind.CA_DOWN,
    "badNonce": FailureKind.CA_DOWN,
    "orderNotReady": FailureKind.ORDER_LOST,
}

#: What an operator can do, by kind; the authority's own words stand behind it.
ADVICE = {
    FailureKind.RATE_LIMITED: "{ca} limits how often it is asked",
    FailureKind.REJECTED_IDENTIFIER: "{ca} does not issue for {names}",
    FailureKind.CAA: "CAA records forbid {ca} to issue for {names}; allow it there",
    FailureKind.DNS: "{ca} could not look up {names}; check the DNS of the name",
    FailureKind.CONNECTION: "{ca} could not reach {names}; check that it points at the edges, on port 80 too",
    FailureKind.UNAUTHORIZED: "{ca} saw no answer of ours at {names}; check that it points at the edges",
    FailureKind.ACCOUNT: "{ca} does not accept our account; check its contact, terms and external account",
    FailureKind.MALFORMED: "{ca} refuses what it is asked for",
    FailureKind.CA_DOWN: "{ca} has trouble of its own",
    FailureKind.ORDER_LOST: "{ca} does not go on with the order",
}


def problem_code(problem: Mapping[str, Any]) -> str:
    """`urn:ietf:params:acme:error:caa` → `caa`; "" where it is no error of ACME."""
    kind = problem.get("type")
    return kind.removeprefix(PREFIX) if isinstance(kind, str) and kind.startswith(PREFIX) else ""


def failure(
    problem: Mapping[str, Any],
    *,
    authority: str,
    names: Iterable[str] = (),
    retry_after: datetime | None = None,
    status: int = 0,
    validating: bool = True,
) -> Failed:
    """What a problem document means.

    `names` are those that were asked for, used where the document names none; `status` is that of the HTTP
    answer, used where it has no type that is known. `validating`: whether it is about what the authority saw
    when it looked at the names, or about a request of ours.
    """
    plain = _plain(problem)
    main = _main(plain)
    kind = KINDS.get(problem_code(main)) or _kind_of_status(status)
    if kind == FailureKind.UNAUTHORIZED and not validating:
        kind = FailureKind.ACCOUNT  # the account may not do it (deactivated, or not the order's)
    concerned = tuple(_named(plain)) or tuple(names)
    sentence = ADVICE[kind].format(ca=authority, names=_listed(concerned) or "the names")
    detail = str(main.get("detail") or main.get("title") or "").strip().rstrip(".")
    said = f": “{detail}”." if detail else "."
    return Failed(kind, sentence + said, retry_after, plain, concerned)


def parse_retry_after(text: str | None, *, now: datetime) -> datetime | None:
    """The moment that a Retry-After header names (RFC 9110 section 10.2.3); None where it names none."""
    if not text:
        return None
    text = text.strip()
    try:
        if text.isascii() and text.isdigit():
            return now + min(timedelta(seconds=int(text[:10])), MOST_PATIENCE)
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(moment, now), now + MOST_PATIENCE)


def _plain(problem: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of the document that are kept, none of them long."""
    kept: dict[str, Any] = {}
    for key in ("type", "title", "detail"):
        if isinstance(problem.get(key), str):
            kept[key] = _SHOWN.sub("(key authorization)", problem[key])[:MOST_DETAIL]
    if isinstance(status := problem.get("status"), int):
        kept["status"] = status
    identifier = problem.get("identifier")
    if isinstance(identifier, Mapping) and isinstance(identifier.get("value"), str):
        kept["identifier"] = {"type": "dns", "value": identifier["value"][:253]}
    subproblems = problem.get("subproblems")
    if isinstance(subproblems, list):
        kept["subproblems"] = [_plain(each) for each in subproblems[:100] if isinstance(each, Mapping)]
    return kept


def _main(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem itself; of a compound one the first of its parts that says more."""
    if problem_code(problem) in ("compound", "malformed", "") and problem.get("subproblems"):
        known = [each for each in problem["subproblems"] if problem_code(each) in KINDS]
        return known[0] if known else problem
    return problem


def _named(problem: dict[str, Any]) -> list[str]:
    found = [problem["identifier"]["value"]] if "identifier" in problem else []
    for each in problem.get("subproblems", []):
        found += _named(each)
    return list(dict.fromkeys(found))


def _kind_of_status(status: int) -> FailureKind:
    if status == 429:
        return FailureKind.RATE_LIMITED
    if status == 404:
        return FailureKind.ORDER_LOST
    return FailureKind.CA_DOWN if status >= 500 else FailureKind.MALFORMED


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
