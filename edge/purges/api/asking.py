"""From a request to its purges: the service's refusals as the fields that are wrong."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from api.credentials import limits_of
from api.permissions import require_host, require_owned
from domains.hostnames import searched_hostname
from domains.models import Domain
from edge.errors import PurgeLimited, PurgeRefused
from edge.models import Purge
from edge.purges.names import parse_url
from edge.purges.plan import domains_of, url_problems
from edge.purges.services import purge_request


class PurgeThrottled(APIException):
    """A domain's allowance is used up for now; `wait`: seconds."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS

    def __init__(self, error: PurgeLimited) -> None:
        super().__init__(str(error))
        self.wait = error.seconds


def purges_asked(request: Request, asked: Mapping[str, Any], domains: list[Domain]) -> list[Purge]:
    """Ask for purges. Inside a transaction, which is to be rolled back where this raises something.

    Raises `ValidationError`, `PurgeThrottled`, and `PermissionDenied` where the token is not for a domain.
    """
    if limits_of(request):
        require_owned(request, _owners(asked["urls"]))
    try:
        purges = purge_request(domains=domains, **asked, by=request.user)
    except PurgeRefused as error:
        raise ValidationError(_refusal(error, asked["urls"], domains)) from error
    except PurgeLimited as error:
        if error.seconds is None:  # waiting does not help
            raise ValidationError([str(error)]) from error
        raise PurgeThrottled(error) from error
    return purges


def domains_named(request: Request, hosts: list[str]) -> list[Domain]:
    """The domains with these host names. Raises `ValidationError` at those that are none.

    Raises `PermissionDenied` where the token is not for one, whether it is there or not.
    """
    wanted = [searched_hostname(host) for host in hosts]
    require_host(request, *wanted)
    found = {domain.host: domain for domain in Domain.objects.filter(host__in=wanted)}
    if missing := [place for place, host in enumerate(wanted) if host not in found]:
        said = {str(place): [f"There is no domain “{hosts[place]}”."] for place in missing}
        raise ValidationError({"domains": said})
    return [found[host] for host in dict.fromkeys(wanted)]


def _owners(urls: Iterable[str]) -> dict[str, str]:
    """The host of each URL, and that of the domain that it is of; what is no URL is told later."""
    hosts = set()
    for url in urls:
        with suppress(DjangoValidationError):
            hosts.add(parse_url(url).host)
    found = domains_of(hosts - {""})
    return {host: found[host].host if host in found else "" for host in hosts - {""}}


def _refusal(error: PurgeRefused, urls: list[str], domains: list[Domain]) -> dict[str, Any]:
    problems = url_problems(urls=urls, domains=domains) if error.field == "urls" else {}
    if problems:
        return {"urls": {str(place): [problem] for place, problem in problems.items()}}
    return {"domains" if error.field == "domain" else error.field: error.problems}
