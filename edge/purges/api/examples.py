"""Worked examples of purges for the OpenAPI document."""

from typing import Any

from edge.api.examples import EDGES

PURGE: dict[str, Any] = {
    "id": 112,
    "domain": "www.example.com",
    "host": "www.example.com",
    "scope": "url",
    "soft": False,
    "targets": 1,
    "summary": "/news",
    "widened": "",
    "note": "corrected a date",
    "requested_by": "olga",
    "created_at": "2026-11-24T10:00:00Z",
    "state": "sent",
    "epoch": 1763971200,
    "revision": 4711,
    "published_at": "2026-11-24T10:00:00.040Z",
    "done_at": None,
    "done_by": 0,
    "status": {
        "tone": "pending",
        "sentence": "applied on 1 of 2 edges, waiting for edge-2",
        "finished": False,
        "edges": EDGES,
    },
}
WHAT: dict[str, Any] = {"urls": ["/news"], "soft": False, "note": "corrected a date"}
ACCEPTED: dict[str, Any] = {"purges": [PURGE]}
OF_DOMAIN: dict[str, Any] = {"request": WHAT, "response": ACCEPTED}
ACTIONS: dict[str, Any] = {
    "create": {
        "request": {**WHAT, "urls": ["https://www.example.com/news"]},
        "response": ACCEPTED,
    },
    "bulk": {
        "request": {
            "atomic": False,
            "items": [
                {"domains": ["www.example.com"], "tags": ["news"]},
                {"domains": ["shop.example.com"], "everything": True, "soft": True},
            ],
        },
        "response": {
            "results": [{"status": 202, "purges": [113]}, {"status": 202, "purges": [114]}],
            "failed": 0,
        },
    },
    "targets": {"response": {"results": [{"scope": "url", "name": "/news"}], "next": None}},
}
