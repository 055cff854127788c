"""The API as a program meets it: by HTTP from gunicorn, with 10,000 domains and two edges.

One client asks, one request after the other; limits of requests are off.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median, quantiles
from typing import Any

import requests
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Token, User
from accounts.tokens import Issuer, token_create
from api.scopes import SCOPES
from domains.models import Domain, HostName, Origin
from tests.bench.report import Row
from tests.bench.stack import Stack
from tests.factories import DomainFactory
from tests.servers import eventually, free_port

DOMAINS, REQUESTS, PAGES, CHECKS = 10_000, 200, 100, 200
#: URLs of one purge, and how often that is asked for; each time of another domain.
URLS, PURGES = 1_000, 20
#: Of which the first so many warm up both workers.
WARM = 6
#: Domains of one bulk, and how often.
MANY, BULKS = 200, 3


def run(stack: Stack) -> list[Row]:
    """The rows; about two minutes."""
    stack.edge("edge-1"), stack.edge("edge-2")
    for name in ("CIRRUS_API_TOKEN_RATE", "CIRRUS_API_ADDRESS_RATE"):
        os.environ[name] = "0"
    make_domains()
    sites = [DomainFactory(host=f"purged-{number}.example") for number in range(PURGES + WARM)]
    api = Api(start_gunicorn(stack), make_token())
    first, following, one, search = lists(api)
    what = f"{DOMAINS:,} domains, a page of 100"
    return [
        Row(f"{what}: first page, p50", _ms(first, 50), "ms", REQUESTS),
        Row(f"{what}: first page, p95", _ms(first, 95), "ms", REQUESTS),
        Row(f"{what}: the pages after it, p95", _ms(following, 95), "ms", PAGES),
        Row(f"{what}: search for a word, p95", _ms(search, 95), "ms", len(search)),
        Row("one domain with its parts, p95", _ms(one, 95), "ms", REQUESTS),
        *purges(api, sites),
        *bulks(api),
        *token_checks(api.secret),
    ]


class Api:
    """A program with a token."""

    def __init__(self, url: str, secret: str) -> None:
        self.url, self.secret = f"{url}/api/v1", secret
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {secret}"

    def took(self, method: str, path: str, *, code: int = 200, **options: Any) -> tuple[float, Any]:
        """Seconds until the whole answer was there, and the answer."""
        began = time.monotonic()
        answer = self.session.request(method, self.url + path, **options)
        seconds = time.monotonic() - began
        if answer.status_code != code:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return seconds, answer.json()


def start_gunicorn(stack: Stack) -> str:
    port = free_port()
    stack.process(
        *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--workers", "2"),
        *("--bind", f"127.0.0.1:{port}", "cirrus_site.wsgi"),
    )
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: requests.get(f"{url}/api/v1/domains", timeout=5).status_code == 401, within=60)
    return url


def lists(api: Api) -> tuple[list[float], list[float], list[float], list[float]]:
    """Seconds for the first page, the pages after it, one domain, and a search."""
    for _ in range(5):
        api.took("GET", "/domains")
    first = [api.took("GET", "/domains")[0] for _ in range(REQUESTS)]
    following, page = [], api.took("GET", "/domains")[1]
    for _ in range(PAGES):
        seconds, page = api.took("GET", page["next"].removeprefix("/api/v1"))
        following.append(seconds)
    one = [api.took("GET", f"/domains/d{number}.example")[0] for number in range(REQUESTS)]
    search = [api.took("GET", f"/domains?search=d{number}.example")[0] for number in range(20)]
    return first, following, one, search


def purges(api: Api, sites: list[Domain]) -> Iterator[Row]:
    """One call with many URLs: until it is accepted, which is after it was handed to the edges."""
    taken = []
    for site in sites:
        urls = [f"https://{site.host}/page/{number}?v=1" for number in range(URLS)]
        taken.append(api.took("POST", "/purges", code=202, json={"urls": urls})[0])
    taken = taken[WARM:]
    yield Row(f"a purge of {URLS:,} URLs accepted, p50", _ms(taken, 50), "ms", PURGES)
    yield Row(f"a purge of {URLS:,} URLs accepted, the slowest", round(max(taken) * 1000, 1), "ms", PURGES)


def bulks(api: Api) -> Iterator[Row]:
    """Many domains in one call: made, and then the same once more."""
    made, same = [], []
    for number in range(BULKS):
        origins = [{"scheme": "http", "host": "127.0.0.1", "port": 8080}]
        items = [{"domain": {"host": f"b{number}-{n}.example", "origins": origins}} for n in range(MANY)]
        made.append(api.took("POST", "/domains/bulk", json={"items": items})[0])
        seconds, answer = api.took("POST", "/domains/bulk", json={"items": items})
        if {result["result"] for result in answer["results"]} != {"unchanged"}:
            raise SystemExit("the same document was not the same")
        same.append(seconds)
    yield Row(f"{MANY} domains made and published in one call", round(median(made), 2), "s", BULKS)
    yield Row(f"{MANY} domains that are there already in one call", round(median(same), 2), "s", BULKS)


def token_checks(secret: str) -> Iterator[Row]:
    """In this process: what it takes to know whose token it is."""
    from rest_framework.request import Request
    from rest_framework.test import APIRequestFactory

    from accounts.authentication import TokenAuthentication

    def check() -> None:
        request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {secret}")
        TokenAuthentication().authenticate(Request(request))

    check()  # notes the last use
    with CaptureQueriesContext(connection) as captured:
        check()
    yield Row("look-ups of a token check", len(captured), "queries", 1)
    yield Row("a token check, p95", _ms([_timed(check) for _ in range(CHECKS)], 95), "ms", CHECKS)


def make_domains() -> None:
    """So many that saving each one by itself would take minutes; none of them is published."""
    domains = Domain.objects.bulk_create([Domain(host=f"d{n}.example") for n in range(DOMAINS)], 500)
    names = [HostName(domain=domain, name=domain.host, primary=True) for domain in domains]
    names += [HostName(domain=domain, name=f"alias.{domain.host}") for domain in domains]
    HostName.objects.bulk_create(names, 500)
    origins = [Origin(domain=domain, host="192.0.2.80", scheme="http") for domain in domains]
    Origin.objects.bulk_create(origins, 500)


def make_token() -> str:
    owner = User.objects.create(username="bench", is_superuser=True)
    return token_create(token=Token(name="bench", owner=owner, scopes=list(SCOPES)), by=Issuer("bench"))


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _ms(seconds: list[float], percent: int) -> float:
    return round(quantiles(seconds, n=100)[percent - 1] * 1000, 2)
