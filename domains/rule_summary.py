"""A cache rule as one sentence for people: “if path begins with /img/ → keep 1 h, ignore the query”."""

from typing import Any

from domains.conditions import parsed_status_ttls
from domains.models import CacheCondition, CacheRule

#: What a rule without actions does: all that it does is to come first.
NOTHING = "nothing special (later rules do not count)"

_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"))

_QUERY = {
    CacheRule.QueryMode.NONE: "ignore the query",
    CacheRule.QueryMode.ONLY: "of the query only {}",
    CacheRule.QueryMode.EXCEPT: "ignore the arguments {}",
}


def rule_summary(rule: CacheRule) -> str:
    """Reads `rule.conditions`, so prefetch them for many rules."""
    return f"{_when(rule)} → {', '.join(_what_it_does(rule)) or NOTHING}"


def rule_line(rule: Any) -> str:
    """The summary, and where it is so, that an enabled rule is never reached.

    `rule` is one of `CacheRule.objects.with_shadows()`.
    """
    if rule.enabled and rule.shadowed_by:
        return f"{rule_summary(rule)} (never reached: rule “{rule.shadowed_by}” is always first)"
    return rule_summary(rule)


def duration(seconds: int) -> str:
    """A round number of days, hours or minutes where it is one: 3600 → “1 h”, 90 → “90 s”."""
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return f"{seconds} s"


def _when(rule: CacheRule) -> str:
    said = [_condition(condition) for condition in rule.conditions.all()]
    if not said:
        return "always"
    return "if " + (" and " if rule.match == CacheRule.Match.ALL else " or ").join(said)


def _condition(condition: CacheCondition) -> str:
    verb = " ".join(filter(None, [condition.get_what_display(), condition.name]))
    values = _few(condition.value_list)
    if condition.what in CacheCondition.NAMES:
        values = f"= {values}" if values else "is there"
    return f"{'not: ' if condition.negate else ''}{verb} {values}"


def _what_it_does(rule: CacheRule) -> list[str]:
    said = [
        text
        for is_so, text in (
            (rule.bypass, "do not cache"),
            (rule.force, "cache even what the origin forbids"),
            (rule.strip_cookies, "without cookies"),
            (rule.slices, "in slices"),
        )
        if is_so
    ]
    return said + _lifetimes(rule) + _key(rule)


def _lifetimes(rule: CacheRule) -> list[str]:
    said = []
    if rule.edge_ttl is not None:
        said.append(f"keep {duration(rule.edge_ttl)}")
    for low, high, ttl in parsed_status_ttls(rule.ttl_by_status):
        statuses = str(low) if low == high else f"{low}-{high}"
        said.append(f"keep {statuses} {duration(ttl)}" if ttl else f"do not keep {statuses}")
    for seconds, text in (
        (rule.browser_ttl, "browsers {}"),
        (rule.stale_while_revalidate, "stale {} while fetching anew"),
        (rule.stale_if_error, "stale {} while the origin fails"),
    ):
        if seconds is not None:
            said.append(text.format(duration(seconds)))
    return said


def _key(rule: CacheRule) -> list[str]:
    said = []
    if rule.query_mode in _QUERY:
        said.append(
            _QUERY[CacheRule.QueryMode(rule.query_mode)].format(_few(rule.query_names.split("\n"), ", "))
        )
    if rule.query_sort:
        said.append("arguments in any order")
    if rule.key_headers:
        said.append(f"by header {_few(rule.key_headers.split(), ', ')}")
    if rule.key_cookies:
        said.append(f"by cookie {_few(rule.key_cookies.split(), ', ')}")
    if rule.key_device:
        said.append("by kind of device")
    return said


def _few(values: list[str], between: str = " or ", keep: int = 3) -> str:
    more = [f"{len(values) - keep} more"] if len(values) > keep else []
    return between.join(values[:keep] + more)
