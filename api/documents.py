"""The OpenAPI document and its interactive page. Both need no login: they tell nothing secret."""

import hashlib
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.response import Response

#: Swagger UI sets styles on elements; its scripts are files of ours.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


@lru_cache(maxsize=1)
def document() -> bytes:
    """The document as JSON; it cannot change while the process runs."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    rendered: bytes = OpenApiJsonRenderer().render(schema)
    return rendered


def openapi(request: HttpRequest) -> HttpResponse:
    """`/api/v1/openapi.json`."""
    text = document()
    headers = {
        "ETag": f'"{hashlib.sha256(text).hexdigest()[:32]}"',
        "Cache-Control": "no-cache",
        "Access-Control-Allow-Origin": "*",
    }
    return HttpResponse(text, content_type="application/vnd.oai.openapi+json", headers=headers)


class PageView(SpectacularSwaggerSplitView):
    """`/api/v1/docs/`: try every address from the browser, offline as well."""

    authentication_classes: list[Any] = []
    throttle_classes: list[Any] = []
    schema = None
    url_name = "openapi"
    url_name_script = "api-page"

    def get(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response["Content-Security-Policy"] = POLICY
        return response
