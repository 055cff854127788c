"""What edges see of a cache rule (docs/keyspace.md, “Rules”). Reads `rule.conditions`: prefetch it."""

from typing import Any

from domains.conditions import parsed_status_ttls
from domains.models import CacheCondition, CacheRule

#: Kinds of conditions that are ways to look at a path.
_PATHS = {CacheCondition.What.PREFIX, CacheCondition.What.GLOB, CacheCondition.What.REGEX}

#: Actions that stand in the document as they are, where they say something.
_NUMBERS = ("edge_ttl", "browser_ttl", "stale_while_revalidate", "stale_if_error")
_SWITCHES = ("bypass", "force", "strip_cookies", "slices", "key_device")
_LISTS = ("key_headers", "key_cookies")


def rule_document(rule: CacheRule) -> dict[str, Any]:
    """One rule inside a domain's document. Times are seconds."""
    return {
        "id": rule.pk,
        "name": rule.name,
        "match": rule.match,
        "when": [condition_document(condition) for condition in rule.conditions.all()],
        "then": action_document(rule),
    }


def condition_document(condition: CacheCondition) -> dict[str, Any]:
    """One condition. No values: it is enough that the argument, header or cookie is there."""
    body: dict[str, Any] = {
        "what": condition.what,
        "values": condition.value_list,
        "negate": condition.negate,
    }
    if condition.what in _PATHS:
        body |= {"what": "path", "how": condition.what}
    if condition.name:
        body["name"] = condition.name
    return body


def action_document(rule: CacheRule) -> dict[str, Any]:
    """What the rule does; what it leaves to the origin and the domain is left out."""
    body: dict[str, Any] = {name: True for name in _SWITCHES if getattr(rule, name)}
    body |= {name: getattr(rule, name) for name in _NUMBERS if getattr(rule, name) is not None}
    body |= {name: getattr(rule, name).split("\n") for name in _LISTS if getattr(rule, name)}
    if rule.ttl_by_status:
        ranges = parsed_status_ttls(rule.ttl_by_status)
        body["ttl_by_status"] = [{"from": low, "to": high, "ttl": ttl} for low, high, ttl in ranges]
    if rule.query_mode or rule.query_sort:
        names = rule.query_names.split("\n") if rule.query_names else []
        body["query"] = {"mode": rule.query_mode or "all", "names": names, "sort": rule.query_sort}
    return body
