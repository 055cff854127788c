"""What edges see of a domain: `cdn:dom:{host}`."""

from typing import Any

from domains.models import Domain, Origin
from domains.rule_documents import rule_document


def domain_document(domain: Domain) -> dict[str, Any]:
    """The body of a domain's document (docs/keyspace.md, kind `domain`).

    Reads `domain.hostnames`, `domain.origins` and `domain.rules` with their `conditions`, so prefetch them
    when rendering many.
    """
    aliases = sorted(name.name for name in domain.hostnames.all() if not name.primary)
    origins = sorted(domain.origins.all(), key=lambda origin: (origin.backup, origin.pk))
    body = {
        "id": domain.pk,
        "host": domain.host,
        "aliases": aliases,
        "cache": {
            "default_ttl": domain.default_ttl,
            "max_ttl": domain.max_ttl,
            "negative_ttl": domain.negative_ttl,
            "stale_while_revalidate": domain.stale_while_revalidate,
            "stale_if_error": domain.stale_if_error,
            "guard": domain.guard,
        },
        "origins": [origin_document(origin) for origin in origins],
    }
    if domain.tls:
        body["tls"] = tls_part(domain)
    rules = sorted(domain.rules.all(), key=lambda rule: (rule.position, rule.pk))
    if enabled := [rule_document(rule) for rule in rules if rule.enabled]:
        body["rules"] = enabled
    return body


def tls_part(domain: Domain) -> dict[str, Any]:
    """How a domain is served over HTTPS, inside its document."""
    part: dict[str, Any] = {"policy": domain.tls_policy, "https_only": domain.https_only}
    if domain.hsts_max_age:
        part["hsts"] = {"max_age": domain.hsts_max_age, "subdomains": domain.hsts_subdomains}
    if domain.client_auth != Domain.ClientAuth.OFF:
        part |= {"client_auth": domain.client_auth, "client_ca": domain.client_ca}
    return part


def origin_document(origin: Origin) -> dict[str, Any]:
    """One origin inside a domain's document. Times are milliseconds."""
    return {
        "id": origin.pk,
        "scheme": origin.scheme,
        "host": origin.host,
        "port": origin.effective_port,
        "host_header": origin.host_header,
        "sni": origin.sni,
        "verify": origin.verify,
        "weight": origin.weight,
        "backup": origin.backup,
        "connect_timeout": origin.connect_timeout,
        "read_timeout": origin.read_timeout,
    }


def reason_not_served(domain: Domain) -> str:
    """Why the edges must not have this domain, or "" where they must."""
    if not domain.enabled:
        return "disabled"
    origins = domain.origins.all()
    if not origins:
        return "it has no origin yet"
    if all(origin.backup for origin in origins):
        return "all its origins are backups"
    return ""
