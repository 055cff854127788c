"""Headers and cookies that must not be in a cache key (twin: edge/lua/cirrus/unbounded.lua).

They have a value of their own for nearly every client or request, so nothing would ever be found again.
"""

#: Lower case. A star stands for any end.
HEADERS = (
    *("authorization", "proxy-authorization", "cookie", "set-cookie", "user-agent", "referer", "range"),
    *("if-*", "date", "forwarded", "x-forwarded-for", "x-forwarded-port", "x-real-ip", "x-client-ip"),
    *("true-client-ip", "cf-connecting-ip", "x-cluster-client-ip", "x-request-id", "x-correlation-id"),
    *("x-trace-id", "x-amzn-trace-id", "x-b3-*", "b3", "cf-ray", "request-id", "traceparent", "tracestate"),
    *("baggage", "content-length", "sec-websocket-key", "x-csrf-token", "x-api-key", "x-auth-token"),
    *("x-access-token", "idempotency-key"),
)

#: Parts of the names of cookies that name a session or a person, and how such names begin or end.
COOKIE_PARTS = (
    *("sess", "token", "csrf", "xsrf", "auth", "jwt", "login", "remember", "visitor", "uuid", "guid"),
    *("user_id", "userid", "client_id"),
)
COOKIE_STARTS = ("_ga", "_gid", "_fbp", "__cf")
COOKIE_ENDS = ("sid",)


def is_unbounded_header(name: str) -> bool:
    """Whether a header (its name in any case) differs for nearly every client or request."""
    name = name.lower()
    return any(name.startswith(entry[:-1]) if entry.endswith("*") else name == entry for entry in HEADERS)


def is_unbounded_cookie(name: str) -> bool:
    """Whether a cookie looks like one that names a session or a person."""
    name = name.lower()
    found = any(part in name for part in COOKIE_PARTS)
    return found or name.startswith(COOKIE_STARTS) or name.endswith(COOKIE_ENDS)
