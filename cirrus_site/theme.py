"""The portal's looks and its sidebar (django-unfold's setting)."""

from functools import partial
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

#: Blue, by lightness; the theme asks for all eleven steps.
PRIMARY = {
    "50": "oklch(97% .014 254.6)",
    "100": "oklch(93.2% .032 255.6)",
    "200": "oklch(88.2% .059 254.1)",
    "300": "oklch(80.9% .105 251.8)",
    "400": "oklch(70.7% .165 254.6)",
    "500": "oklch(62.3% .214 259.8)",
    "600": "oklch(54.6% .245 262.9)",
    "700": "oklch(48.8% .243 264.4)",
    "800": "oklch(42.4% .199 265.6)",
    "900": "oklch(37.9% .146 265.5)",
    "950": "oklch(28.2% .091 267.9)",
}


def navigation_group(title: str, *entries: tuple[str, str, str]) -> dict[str, Any]:
    """A group of the sidebar. An entry is a title, an icon and the model; only who may see it, does."""
    return {
        "title": title,
        "items": [
            {
                "title": name,
                "icon": icon,
                "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
                "permission": partial(may_view, model),
            }
            for name, icon, model in entries
        ],
    }


def may_view(model: str, request: Any) -> bool:
    """Whether the person may see the list of `app.model`."""
    app, name = model.split(".")
    return bool(request.user.has_perm(f"{app}.view_{name}") or request.user.has_perm(f"{app}.change_{name}"))


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Cirrus CDN",
    "SITE_HEADER": "Cirrus CDN",
    "SITE_SUBHEADER": "Your own CDN",
    "SITE_SYMBOL": "cloud",
    "SITE_URL": None,  # there is no other site to return to
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("cirrus_site/icon.svg")}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "cirrus_site.dashboard.dashboard",
    "COLORS": {"primary": PRIMARY},
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            navigation_group(
                "Traffic",
                ("Domains", "language", "domains.domain"),
                ("Purges", "cleaning_services", "edge.purge"),
                ("Publications", "sync", "edge.publication"),
                ("Outbox", "outbox", "edge.outbox"),
            ),
            navigation_group(
                "Network",
                ("Nodes", "dns", "nodes.node"),
                ("Regions", "public", "nodes.region"),
                ("State changes", "timeline", "nodes.nodeevent"),
                ("Alarms", "notifications", "alarms.alarm"),
            ),
            navigation_group(
                "DNS",
                ("Zones", "account_tree", "dnszones.zone"),
                ("Steering", "alt_route", "dnszones.site"),
                ("Secondaries", "storage", "dnszones.secondary"),
                ("Versions", "history", "dnszones.zoneversion"),
            ),
            navigation_group(
                "HTTPS",
                ("Certificates", "verified_user", "certificates.certificate"),
                ("How they are issued", "assignment", "certificates.enrollment"),
                ("Orders", "receipt_long", "certificates.order"),
                ("Names that wait", "hourglass", "certificates.backoff"),
                ("Authorities", "account_balance", "certificates.authority"),
            ),
            navigation_group(
                "Administration",
                ("Users", "person", "accounts.user"),
                ("Groups", "group", "auth.group"),
                ("Tokens", "key", "accounts.token"),
                ("Scheduled jobs", "schedule", "django_celery_beat.periodictask"),
            ),
        ],
    },
}
