"""What can be done with a domain beside editing its fields."""

from domains.models import Domain


def domain_enable(*, domain: Domain) -> None:
    """Let the edges have the domain (once it has an origin). Enabling an enabled one does nothing."""
    _switch(domain, enabled=True)


def domain_disable(*, domain: Domain) -> None:
    """Withdraw the domain from the edges, which then answer 404 for all its names."""
    _switch(domain, enabled=False)


def _switch(domain: Domain, *, enabled: bool) -> None:
    if domain.enabled != enabled:
        domain.enabled = enabled
        domain.save(update_fields=["enabled", "updated_at"])
