"""The way to an authority: the transport of the `acme` library, made careful.

A directory's URL is an operator's input, and everything after it the authority's, while the control plane
stands where secrets are: so only https is spoken, only to addresses that `nodes.addresses` lets through
(CIRRUS_ORIGIN_ALLOW makes exceptions), no redirect is followed, and no answer takes or tells without end.
"""

import logging
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from acme import client, errors, messages
from django.conf import settings
from django.utils import timezone
from josepy.errors import DeserializationError
from josepy.jwa import ES256
from josepy.jwk import JWK
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from certificates.issuance.errors import AuthorityProblem, AuthorityUnreachable
from certificates.issuance.problems import parse_retry_after, problem_code
from nodes.addresses import address_refusal

#: Seconds to connect, and between two bytes of an answer; and for an answer as a whole.
CONNECT_TIMEOUT, READ_TIMEOUT, ANSWER_TIMEOUT = 5.0, 20.0, 30.0
#: Bytes that an answer may have; a chain of certificates has a few thousand.
LONGEST = 1_000_000
#: Times that a request is sent where its nonce is refused (RFC 8555 section 6.5).
NONCE_ATTEMPTS = 12

USER_AGENT = "Cirrus-CDN/0.1 (acme-python)"

#: Told before and after each request that changes something: its name, as in “new-order sent”.
Watcher = Callable[[str], None]

# At level DEBUG the library writes down all that it sends and is told.
logging.getLogger("acme").setLevel(logging.INFO)


class Network(client.ClientNetwork):
    """The transport of one account. Raises `AuthorityProblem` and `AuthorityUnreachable`, nothing else.

    `trust`: PEM of the roots that the authority's own TLS leads to; "" for the public ones.
    """

    def __init__(self, *, key: JWK | None = None, trust: str = "") -> None:
        super().__init__(key, alg=ES256, user_agent=USER_AGENT)
        self.session.trust_env = False  # neither a proxy of this process nor somebody's .netrc
        adapter = _GuardedAdapter(trust)
        self.session.mount("https://", adapter)
        self.session.mount("http://", _NoAdapter())

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def head(self, *args: Any, **kwargs: Any) -> requests.Response:
        return self._careful(args[0], lambda: super(Network, self).head(*args, **kwargs))

    def get(self, url: str, content_type: str = client.ClientNetwork.JSON_CONTENT_TYPE, **kwargs: Any) -> Any:
        return self._careful(url, lambda: super(Network, self).get(url, content_type, **kwargs))

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """POST a signed object; again with a new nonce where one is refused."""
        for attempt in range(1, NONCE_ATTEMPTS + 1):
            try:
                return self._careful(args[0], lambda: self._post_once(*args, **kwargs))
            except AuthorityProblem as problem:
                if problem_code(problem.problem) != "badNonce" or attempt == NONCE_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _careful(self, url: str, send: Callable[[], requests.Response]) -> requests.Response:
        try:
            return send()
        except (requests.RequestException, errors.Error, DeserializationError, OSError, ValueError) as error:
            raise AuthorityUnreachable(_site(url), _reason(error)) from error

    def _send_request(self, method: str, url: str, *_: Any, **kwargs: Any) -> requests.Response:
        kwargs["headers"] = {"User-Agent": self.user_agent, **kwargs.get("headers", {})}
        kwargs |= {"timeout": (CONNECT_TIMEOUT, READ_TIMEOUT), "allow_redirects": False, "stream": True}
        response = self.session.request(method, url, **kwargs)
        _read(response)
        response.encoding = "utf-8"
        return response

    @classmethod
    def _check_response(
        cls, response: requests.Response, content_type: str | None = None
    ) -> requests.Response:
        document = _document(response)
        if response.status_code >= 300:
            problem = document if isinstance(document, dict) else {}
            retry_after = parse_retry_after(response.headers.get("Retry-After"), now=timezone.now())
            problem.setdefault("detail", f"HTTP {response.status_code} {response.reason}")
            raise AuthorityProblem(problem, status=response.status_code, retry_after=retry_after)
        if content_type == cls.JSON_CONTENT_TYPE and document is None:
            raise errors.ClientError("it does not answer with JSON")
        return response


class _GuardedConnection(HTTPSConnection):
    """A connection that looks at the address before it connects, and connects to what it has looked at."""

    def _new_conn(self) -> socket.socket:
        asked: str = self._dns_host
        found = socket.getaddrinfo(asked, self.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        for address in addresses:
            if refusal := address_refusal(address, allow=settings.CIRRUS.origin_allow):
                raise AuthorityUnreachable(asked, refusal)
        last: Exception | None = None
        for address in addresses:
            self._dns_host = address
            try:
                return super()._new_conn()
            except Exception as error:
                last = error
            finally:
                self._dns_host = asked
        raise last or OSError(f"{asked} has no address")


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection


class _GuardedAdapter(HTTPAdapter):
    def __init__(self, trust: str) -> None:
        self.trust = trust
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self.trust:
            kwargs["ca_cert_data"] = self.trust
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _GuardedPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if self.trust:
            conn.cert_reqs = "CERT_REQUIRED"  # by these roots alone, not by the public ones beside them
        else:
            super().cert_verify(conn, url, True, cert)


class _NoAdapter(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        raise AuthorityUnreachable(
            _site(request.url or ""), "ACME is spoken over https only (RFC 8555 section 6.1)"
        )


def _read(response: requests.Response) -> None:
    """Take the body in, no more of it than is sensible."""
    deadline = time.monotonic() + ANSWER_TIMEOUT
    body = bytearray()
    with response:
        for chunk in response.iter_content(16_384):
            body += chunk
            if len(body) > LONGEST:
                raise errors.ClientError(f"its answer is longer than {LONGEST:,} bytes")
            if time.monotonic() > deadline:
                raise errors.ClientError(f"its answer takes longer than {ANSWER_TIMEOUT:g} s")
    response._content = bytes(body)


def _document(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _site(url: str) -> str:
    """Scheme and host of a URL: the rest of it may name an account."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _reason(error: Exception) -> str:
    """Half a sentence on an error of a library."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its own certificate is not trusted here"
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection can be made"
    if isinstance(error, messages.Error | errors.ClientError) and str(error):
        return str(error)[:200]
    return f"its answer makes no sense ({type(error).__name__})"
