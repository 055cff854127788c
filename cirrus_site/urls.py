"""Every address of the control plane."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from cirrus_site.health import health
from cirrus_site.metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("cirrus_site.api_urls")),
    path("healthz", health),
    path("metrics", metrics),
]
