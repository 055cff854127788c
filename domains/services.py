"""What can be done with a domain and its rules beside editing their fields."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from domains import limits
from domains.models import CacheRule, Domain

#: Between the positions of two new rules, so that one can be put in between.
STEP = 10


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


def rule_enable(*, rule: CacheRule) -> None:
    """Let the rule count. Enabling an enabled one does nothing."""
    _switch_rule(rule, enabled=True)


def rule_disable(*, rule: CacheRule) -> None:
    """Let the rule be as if it were not there."""
    _switch_rule(rule, enabled=False)


def rule_next_position(*, domain_id: int) -> int:
    """A place behind all rules of the domain."""
    last = CacheRule.objects.filter(domain_id=domain_id).aggregate(last=Max("position"))["last"]
    return STEP if last is None else last + STEP


@transaction.atomic
def rule_move(*, rule: CacheRule, before: CacheRule | None = None, after: CacheRule | None = None) -> None:
    """Have the rule asked right before or right after another one of its domain.

    Positions of the others change only where there is no room between two of them.
    """
    others = list(CacheRule.objects.filter(domain_id=rule.domain_id).exclude(pk=rule.pk))
    neighbour = before or after
    at = next(n for n, other in enumerate(others) if other == neighbour) + (0 if before else 1)
    lower = others[at - 1].position if at > 0 else -1
    upper = others[at].position if at < len(others) else lower + 2 * STEP
    if upper - lower > 1:
        _place(rule, (lower + upper) // 2)
        return
    for place, each in enumerate([*others[:at], rule, *others[at:]], 1):
        _place(each, place * STEP)


def _place(rule: CacheRule, position: int) -> None:
    if rule.position != position:
        rule.position = position
        rule.save(update_fields=["position"])


@transaction.atomic
def rule_duplicate(*, rule: CacheRule) -> CacheRule:
    """A disabled copy of the rule and its conditions, behind the others.

    Raises `ValidationError` where the domain has as many rules as it may have.
    """
    if CacheRule.objects.filter(domain_id=rule.domain_id).count() >= limits.RULES:
        raise ValidationError(f"A domain has at most {limits.RULES} rules.")
    copy = CacheRule.objects.get(pk=rule.pk)
    copy.pk, copy._state.adding, copy.enabled = None, True, False
    copy.name = f"Copy of {rule.name}"[: CacheRule._meta.get_field("name").max_length]
    copy.position = rule_next_position(domain_id=rule.domain_id)
    copy.save()
    for condition in rule.conditions.all():
        condition.pk, condition._state.adding, condition.rule = None, True, copy
        condition.save()
    return copy


def _switch_rule(rule: CacheRule, *, enabled: bool) -> None:
    if rule.enabled != enabled:
        rule.enabled = enabled
        rule.save(update_fields=["enabled"])
