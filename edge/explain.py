"""“Why?”: asking a running edge what it makes of a URL (`GET /__cirrus/explain` on its status port).

The edge judges; nothing is fetched, nothing is changed. Any serving edge may answer, since all have the
same configuration: what differs between them is only what they have cached.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from django.conf import settings

from domains.models import CacheRule
from domains.rule_summary import rule_summary
from edge.errors import NotExplained
from nodes.addresses import address_refusal
from nodes.models import Node

#: Seconds that one edge may take, and bytes that it may answer.
PATIENCE, LONGEST = 3, 1_000_000


class _NoRedirect(HTTPRedirectHandler):
    """Nobody at a node's address chooses where we go next."""

    def redirect_request(self, *_: Any) -> None:
        return None


# Edges are near; a proxy for the outer world knows none of them.
_opener = build_opener(ProxyHandler({}), _NoRedirect)


@dataclass(frozen=True)
class Question:
    """A request as a client may send it, and the origin's answer to it.

    `headers` and `answer` are (name, value); a client's cookies are in a Cookie header.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    address: str = ""
    country: str = ""
    status: int = 200
    answer: tuple[tuple[str, str], ...] = ()

    def arguments(self) -> str:
        """The query of the edge's endpoint."""
        given = [("url", self.url), ("method", self.method)]
        given += [
            (name, value) for name, value in (("address", self.address), ("country", self.country)) if value
        ]
        given += [("header", f"{name}: {value}") for name, value in self.headers]
        given += [("status", str(self.status))]
        return urlencode([*given, *(("answer", f"{name}: {value}") for name, value in self.answer)])

    @property
    def answered(self) -> str:
        """The answer that is asked about, for people."""
        said = ", ".join(f"{name}: {value}" for name, value in self.answer)
        return f"An answer {self.status} {f'with {said}' if said else 'without headers'}"


@dataclass(frozen=True)
class Explanation:
    """What an edge makes of a URL; `facts` is its answer as it gave it.

    `does` is what the rule does, as the list of rules says it; "" where the rule is gone from there.
    """

    node: str
    facts: dict[str, Any]
    question: Question
    does: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """Names and values for people, the most telling first."""
        facts = self.facts
        rule, answer, purge = (facts.get(name) or {} for name in ("rule", "answer", "purge"))
        return [
            ("Domain", f"{facts.get('domain')}, revision {facts.get('revision')}"),
            ("Rule", rule.get("name") or "none matches"),
            ("What the rule does", self.does or ("it has been deleted meanwhile" if rule else "nothing")),
            ("URL as it is compared", _url(facts)),
            ("Key", str(facts.get("key"))),
            ("It goes", str(facts.get("goes"))),
            ("HTTPS", _https(facts.get("https") or {})),
            ("In this edge's cache", "yes" if facts.get("on_disk") else "no"),
            (self.question.answered, _lifetime(answer)),
            ("Purged", _purged(purge)),
            ("Origins", ", ".join(origin.get("url", "") for origin in facts.get("origins") or [])),
            ("Asked", self.node),
        ]


def url_explain(*, question: Question, node: str = "") -> Explanation:
    """Ask the edge `node`, else the serving edges one after another until one answers.

    Raises `NotExplained` with what each of them said.
    """
    if not is_whole(question.url):
        raise NotExplained(f"“{question.url}” is no whole URL, such as http://www.example.com/a.")
    nodes = Node.objects.filter(name=node, is_edge=True) if node else Node.objects.serving()
    return _first_answer(nodes, question, named=node)


def is_whole(url: str) -> bool:
    """Whether a URL names a scheme that edges serve, and a host, without a user before it."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:  # http://[
        return False


def _first_answer(nodes: Iterable[Node], question: Question, *, named: str) -> Explanation:
    problems = []
    for node in nodes:
        try:
            facts = _ask(node, question)
        except NotExplained as problem:
            problems.append(str(problem))
        else:
            return Explanation(node.name, facts, question, _does(facts.get("rule") or {}))
    if not problems:
        problems = [
            f"There is no edge “{named}”." if named else "No edge is in service (state up or draining)."
        ]
    raise NotExplained(" ".join(dict.fromkeys(problems)))


def _does(rule: dict[str, Any]) -> str:
    known = CacheRule.objects.filter(pk=rule.get("id", 0)).prefetch_related("conditions").first()
    return rule_summary(known) if known else ""


def _ask(node: Node, question: Question) -> dict[str, Any]:
    if refusal := address_refusal(node.status_host, allow=settings.CIRRUS.origin_allow):
        raise NotExplained(f"{node.name} is not asked: {refusal}.")
    url = f"http://{node.status_authority}/__cirrus/explain?{question.arguments()}"
    try:
        with _opener.open(url, timeout=PATIENCE) as response:
            facts = json.loads(response.read(LONGEST))
    except HTTPError as error:
        raise NotExplained(f"{node.name} says: {_problem(error)}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise NotExplained(
            f"{node.name} did not answer at its status port, {node.status_authority} ({reason})."
        ) from error
    if not isinstance(facts, dict):
        raise NotExplained(f"{node.name} answered something else than an explanation.")
    return facts


def _problem(error: HTTPError) -> str:
    """The edge's own sentence, where it gave one."""
    try:
        return str(json.loads(error.read(LONGEST))["problem"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"status {error.code}."


def _url(facts: dict[str, Any]) -> str:
    return f"{facts.get('path')}?{facts['query']}" if facts.get("query") else str(facts.get("path"))


def _https(https: dict[str, Any]) -> str:
    if not https:
        return "not for this domain"
    said = [f"{https.get('policy')} policy", _certificate(https.get("certificate") or {})]
    if https.get("client_auth") in ("optional", "required"):
        said.append(f"client certificates {https['client_auth']}")
    if https.get("hsts"):
        said.append(f"HSTS {https['hsts']}")
    return ", ".join(said)


def _certificate(certificate: dict[str, Any]) -> str:
    if not certificate:
        return "no certificate on this edge yet"
    if certificate.get("placeholder"):
        return "a placeholder until there is a certificate"
    try:
        until = datetime.fromtimestamp(certificate.get("not_after", 0), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (TypeError, ValueError, OverflowError):
        until = "nobody knows when"
    which = "a certificate" if certificate.get("covers") else "a certificate that is not for this name"
    return f"{which} until {until} ({str(certificate.get('fingerprint'))[:16]}…)"


def _lifetime(answer: dict[str, Any]) -> str:
    if not answer.get("stored"):
        return f"would not be kept: {answer['why']}" if answer.get("why") else "would not be kept"
    stale = f"stale {answer.get('stale_while_revalidate')} s while fetching anew"
    stale += f", {answer.get('stale_if_error')} s while the origin fails"
    browser = f"; browsers are told {answer['browser']}" if answer.get("browser") else ""
    return f"would be kept {answer.get('ttl')} s ({stale}){browser}"


def _purged(purge: dict[str, Any]) -> str:
    said = [name for name in ("hard", "soft") if purge.get(name)]
    stamps = ", ".join(f"{name} under revision {purge[name]}" for name in said)
    return stamps or "never (as far as is remembered)"
