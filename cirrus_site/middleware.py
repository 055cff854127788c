"""Which sources a page of ours may load from (Content-Security-Policy level 3).

Written here because it is two constant headers; a library would bring settings for them.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

#: For everything that is no page of the portal: JSON, metrics, redirects, errors.
STRICT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

#: For the portal. Its theme evaluates the expressions in its markup (Alpine, hence 'unsafe-eval') and
#: sets styles on elements (hence 'unsafe-inline' for styles). Scripts still come from us alone, and
#: none may stand in the markup, so text that slips through unescaped cannot run.
PORTAL = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)


class ContentSecurityPolicyMiddleware:
    """Sets the policy of every response that has none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        in_portal = request.path_info.startswith("/admin/")
        response.headers.setdefault("Content-Security-Policy", PORTAL if in_portal else STRICT)
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response
