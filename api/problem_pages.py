"""What a problem's `type` leads to, and the answer where nothing is."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from api.problems import MEDIA_TYPE, PROBLEMS, TYPES_AT


@csrf_exempt  # else Django answers a PUT to nowhere in HTML
def problem_page(request: HttpRequest, kind: str) -> JsonResponse:
    """`/api/v1/problems/invalid`: what a type of problem means."""
    problem = PROBLEMS.get(kind)
    if problem is None:
        return nothing_here(request)
    return JsonResponse(
        {
            "type": TYPES_AT + kind,
            "title": problem.title,
            "status": problem.status,
            "meaning": problem.meaning,
        }
    )


@csrf_exempt
def nothing_here(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
    """404 for every address below /api/v1/ that there is not."""
    body = {
        "type": f"{TYPES_AT}not-found",
        "title": PROBLEMS["not-found"].title,
        "status": 404,
        "detail": f"There is no such address; {reverse('api-page')} lists all that there are.",
        "instance": request.path,
    }
    return JsonResponse(body, status=404, content_type=MEDIA_TYPE)
