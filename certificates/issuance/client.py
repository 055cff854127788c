"""One authority as one account sees it: the requests of RFC 8555, and what is read of the answers.

Signing, nonces and transport are the `acme` library's (`certificates.issuance.network`); answers are read
here, because an authority may say more than the library knows. Every method raises `AuthorityProblem`,
`AuthorityUnreachable` or `AccountUnknown`.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import requests
from acme import challenges, messages
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from josepy.interfaces import JSONDeSerializable
from josepy.jwk import JWKEC
from requests.utils import parse_header_links

from certificates.issuance.errors import AccountUnknown, AuthorityProblem, AuthorityUnreachable
from certificates.issuance.network import Network, Watcher
from certificates.issuance.problems import parse_retry_after, problem_code

#: The kinds of challenges that can be answered from here (RFC 8555 sections 8.3 and 8.4).
HTTP_01, DNS_01 = "http-01", "dns-01"
#: A token (RFC 8555 section 8.3), which becomes part of a path: nothing else may stand in it.
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")
#: Pages of an account's list of orders that are read.
MOST_PAGES = 300


@dataclass(frozen=True)
class OrderSeen:
    """An order as the authority has it now (RFC 8555 section 7.1.3)."""

    url: str
    status: str
    names: frozenset[str]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str
    expires: datetime | None
    problem: dict[str, Any]
    retry_after: datetime | None


@dataclass(frozen=True)
class ChallengeSeen:
    """A challenge. `value`: the key authorization, or for DNS-01 the text of the TXT record."""

    url: str
    status: str
    token: str
    value: str = field(repr=False)
    problem: dict[str, Any]


@dataclass(frozen=True)
class AuthorizationSeen:
    """An authorization, with those of its challenges that can be answered from here, by kind."""

    url: str
    name: str
    wildcard: bool
    status: str
    challenges: dict[str, ChallengeSeen]
    retry_after: datetime | None


class Client:
    """Asks one authority. `account_url` is "" until `register` has been called.

    `watch` is told “ask NAME” before each request that changes something, and “asked NAME” after it.
    """

    def __init__(
        self, directory_url: str, *, key: JWKEC, account_url: str = "", trust: str = "", watch: Watcher
    ) -> None:
        self.directory_url, self.key, self.watch = directory_url, key, watch
        self.network = Network(key=key, trust=trust)
        self.account_url = account_url

    def close(self) -> None:
        """Close the connections."""
        self.network.close()

    @cached_property
    def directory(self) -> Mapping[str, Any]:
        """The directory (RFC 8555 section 7.1.1)."""
        return self._mapping(self.network.get(self.directory_url))

    @property
    def _meta(self) -> Mapping[str, Any]:
        meta = self.directory.get("meta")
        return meta if isinstance(meta, Mapping) else {}

    @property
    def terms(self) -> str:
        """Where its terms of service are; "" where it has none."""
        return _text(self._meta.get("termsOfService"))

    @property
    def wants_external_account(self) -> bool:
        """Whether it takes only accounts that are bound to one it knows already."""
        return self._meta.get("externalAccountRequired") is True

    @property
    def profiles(self) -> frozenset[str]:
        """The profiles that may be ordered."""
        profiles = self._meta.get("profiles")
        return frozenset(profiles) if isinstance(profiles, Mapping) else frozenset()

    @property
    def has_renewal_info(self) -> bool:
        """Whether it offers ARI (RFC 9773), and so knows which certificate an order replaces."""
        return bool(self.directory.get("renewalInfo"))

    # -- the account -------------------------------------------------------------------------------

    def register(self, *, contact: list[str], eab: tuple[str, str] | None) -> str:
        """Make the account of this key, or find it; its URL. `eab`: key id and HMAC key (base64url)."""
        body: dict[str, Any] = {"termsOfServiceAgreed": True}
        if contact:
            body["contact"] = contact
        if eab:
            body["externalAccountBinding"] = messages.ExternalAccountBinding.from_data(
                self.key.public_key(), *eab, messages.Directory(self.directory)
            )
        self.account_url = ""
        response = self._change("new-account", self._resource("newAccount"), body)
        self.account_url = self._location(response)
        return self.account_url

    @property
    def account_url(self) -> str:
        """The account that signs; "" for none."""
        return self._account_url

    @account_url.setter
    def account_url(self, url: str) -> None:
        self._account_url = url
        account = messages.RegistrationResource(body=messages.Registration(), uri=url)
        self.network.account = account if url else None

    # -- orders ------------------------------------------------------------------------------------

    def new_order(self, names: list[str], *, profile: str = "", replaces: str = "") -> OrderSeen:
        """Place an order. `replaces`: the ARI identifier of the certificate that it is to replace."""
        body: dict[str, Any] = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        body |= {"profile": profile} if profile else {}
        body |= {"replaces": replaces} if replaces else {}
        response = self._change("new-order", self._resource("newOrder"), body)
        return self._order(self._location(response), response)

    def order(self, url: str) -> OrderSeen:
        """The order as it is now."""
        return self._order(url, self._ask(url))

    def order_urls(self) -> Iterator[str]:
        """The orders of the account, where the authority lists them (RFC 8555 section 7.1.2.1)."""
        url = _text(self._mapping(self._ask(self.account_url)).get("orders"))
        for _ in range(MOST_PAGES):
            if not url:
                return
            response = self._ask(url)
            listed = self._mapping(response).get("orders")
            yield from (item for item in listed or [] if isinstance(item, str))
            url = next(iter(_links(response, "next")), "")

    def authorization(self, url: str) -> AuthorizationSeen:
        """The authorization as it is now."""
        response = self._ask(url)
        said = self._mapping(response)
        identifier = said.get("identifier")
        return AuthorizationSeen(
            url=url,
            name=_text(identifier.get("value") if isinstance(identifier, Mapping) else "").lower(),
            wildcard=said.get("wildcard") is True,
            status=_text(said.get("status")),
            challenges={
                seen[0]: seen[1] for item in said.get("challenges") or [] if (seen := self._challenge(item))
            },
            retry_after=self._retry_after(response),
        )

    def answer(self, challenge_url: str) -> None:
        """Say that the challenge can be looked at."""
        self._change("challenge", challenge_url, {})

    def finalize(self, url: str, csr: x509.CertificateSigningRequest) -> None:
        """Hand in the request for the certificate."""
        self._change("finalize", url, {"csr": _base64(csr.public_bytes(Encoding.DER))})

    def certificate(self, url: str) -> str:
        """The chain in PEM, the leaf first: the authority's first choice, where it has several."""
        return self._ask(url, as_text=True).text

    def revoke(self, certificate: x509.Certificate, *, reason: int) -> None:
        """Revoke it with the account's key; `reason` as in RFC 5280 section 5.3.1."""
        body = {"certificate": _base64(certificate.public_bytes(Encoding.DER)), "reason": reason}
        self._change("revoke", self._resource("revokeCert"), body)

    # -- how they are asked ------------------------------------------------------------------------

    def _change(self, name: str, url: str, body: dict[str, Any]) -> requests.Response:
        self.watch(f"ask {name}")
        response = self._post(url, _Payload(body))
        self.watch(f"asked {name}")
        return response

    def _ask(self, url: str, *, as_text: bool = False) -> requests.Response:
        """POST-as-GET (RFC 8555 section 6.3)."""
        headers = {"Content-Type": Network.JOSE_CONTENT_TYPE}
        if as_text:
            headers["Accept"] = "application/pem-certificate-chain"
        return self._post(url, None, headers=headers)

    def _post(self, url: str, body: "_Payload | None", **options: Any) -> requests.Response:
        try:
            return self.network.post(url, body, new_nonce_url=self._resource("newNonce"), **options)
        except AuthorityProblem as problem:
            if problem_code(problem.problem) == "accountDoesNotExist":
                raise AccountUnknown(self.directory_url) from problem
            raise

    def _resource(self, name: str) -> str:
        url = self.directory.get(name)
        if not isinstance(url, str) or not url:
            raise AuthorityUnreachable(self.directory_url, f"its directory has no {name}: it is none of ACME")
        return url

    def _location(self, response: requests.Response) -> str:
        url = response.headers.get("Location", "")
        if not url:
            raise AuthorityUnreachable(self.directory_url, "it does not say where what it has made is")
        return url

    def _mapping(self, response: requests.Response) -> Mapping[str, Any]:
        try:
            said = response.json()
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise AuthorityUnreachable(self.directory_url, "it does not answer with a JSON object")
        return said

    def _order(self, url: str, response: requests.Response) -> OrderSeen:
        said = self._mapping(response)
        return OrderSeen(
            url=url,
            status=_text(said.get("status")),
            names=frozenset(
                _text(item.get("value")).lower()
                for item in said.get("identifiers") or []
                if isinstance(item, Mapping)
            ),
            authorizations=tuple(item for item in said.get("authorizations") or [] if isinstance(item, str)),
            finalize=_text(said.get("finalize")),
            certificate=_text(said.get("certificate")),
            expires=_moment(said.get("expires")),
            problem=_problem(said),
            retry_after=self._retry_after(response),
        )

    def _challenge(self, said: Any) -> tuple[str, ChallengeSeen] | None:
        if not isinstance(said, Mapping) or said.get("type") not in (HTTP_01, DNS_01):
            return None
        # As it is sent: the library's own `good_token` looks at what it decodes to, which is any bytes.
        if not TOKEN.fullmatch(_text(said.get("token"))):
            return None
        try:
            parsed = challenges.Challenge.from_json(said)
            if not isinstance(parsed, challenges.HTTP01 | challenges.DNS01):
                return None
            value = str(parsed.validation(self.key))
        except Exception:  # the library raises what it likes at bad base64: such a challenge is none
            return None
        seen = ChallengeSeen(
            url=_text(said.get("url")),
            status=_text(said.get("status")),
            token=str(parsed.encode("token")),
            value=value,
            problem=_problem(said),
        )
        return str(said["type"]), seen

    def _retry_after(self, response: requests.Response) -> datetime | None:
        return parse_retry_after(response.headers.get("Retry-After"), now=timezone.now())


class _Payload(JSONDeSerializable):
    """A JSON object as the library wants it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    def to_partial_json(self) -> dict[str, Any]:
        return self.body

    @classmethod
    def from_json(cls, jobj: Any) -> "_Payload":
        return cls(jobj)


def _links(response: requests.Response, relation: str) -> list[str]:
    links = parse_header_links(response.headers.get("Link", ""))
    return [link["url"] for link in links if link.get("rel") == relation and link.get("url")]


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _problem(said: Mapping[str, Any]) -> dict[str, Any]:
    problem = said.get("error")
    return dict(problem) if isinstance(problem, Mapping) else {}


def _moment(value: Any) -> datetime | None:
    try:
        moment = parse_datetime(_text(value))
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else timezone.make_aware(moment)
