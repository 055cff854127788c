"""What stands before every view: the policy for browsers, and a second try for forms that came too late.

The Content-Security-Policy (level 3) is written here because it is two constant headers; a library would
bring settings for them.
"""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError
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


class OnceMoreMiddleware:
    """Handles a form of the portal once more where somebody else has saved the same name in that moment.

    Between the look for an equal name and the save there is a moment, and the database is the last to
    refuse: nothing is saved then. The second time the form finds the other's object, and says so beside the
    field, with all that was typed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: list[Any], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """The answer of the view, for a form of the portal."""
        if request.method != "POST" or not request.path_info.startswith("/admin/"):
            return None
        try:
            return view(request, *args, **kwargs)
        except IntegrityError:
            for file in request.FILES.values():
                file.seek(0)  # type: ignore[union-attr]
            return view(request, *args, **kwargs)
