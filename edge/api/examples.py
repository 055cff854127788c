"""Worked examples for the OpenAPI document."""

from typing import Any

EDGES: list[dict[str, Any]] = [
    {"node": "edge-1", "answer": "applied", "why": ""},
    {"node": "edge-2", "answer": "pending", "why": ""},
]
STATUS: dict[str, Any] = {
    "tone": "pending",
    "sentence": "on 1 of 2 edges, waiting for edge-2",
    "revision": 4711,
    "applied_by": 1,
    "serving": 2,
    "edges": EDGES,
}
TRAFFIC: dict[str, Any] = {
    "minutes": 3,
    "since": 1763971200,
    "by_minute": [120, 98, 14],
    "requests": 232,
    "bytes": 4806123,
    "hit": 200,
    "stale": 2,
    "miss": 25,
    "bypass": 5,
    "hit_ratio": 0.8707,
    "origin_requests": 30,
    "origin_seconds": 0.041,
    "statuses": {"1xx": 0, "2xx": 228, "3xx": 0, "4xx": 4, "5xx": 0},
    "top_paths": [{"path": "/", "requests": 90}],
}
WHY: dict[str, Any] = {
    "node": "edge-1",
    "lines": [
        {"name": "Domain", "value": "www.example.com, revision 4711"},
        {"name": "Rule", "value": "Images"},
    ],
    "facts": {"domain": "www.example.com", "revision": 4711, "path": "/a.jpg", "goes": "to the cache"},
}
CHANGE: dict[str, Any] = {
    "revision": 4711,
    "kind": "domain",
    "key": "www.example.com",
    "epoch": 1763971200,
    "live": True,
    "saved_at": "2026-11-24T10:00:00Z",
    "published_at": "2026-11-24T10:00:00.040Z",
    "applied_at": None,
    "applied_by": 0,
    "stream_id": "1763971200040-0",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "object_id": 3,
}
WAITING: dict[str, Any] = {
    "id": 90,
    "kind": "domain",
    "object_id": 3,
    "staged_at": "2026-11-24T10:00:00Z",
    "error": "",
    "attempts": 0,
    "retry_at": None,
}
REPORT: dict[str, Any] = {
    "name": "edge-1",
    "region": "eu-west",
    "state": "up",
    "edge": {
        "tone": "ok",
        "sentence": "live, has every change",
        "heard": True,
        "heard_at": "2026-11-24T10:00:00Z",
        "epoch": 1763971200,
        "revision": 4711,
        "behind": 0,
        "state": "live",
        "domains": 12,
        "version": "0.1.0",
        "skew": 0.01,
        "config_errors": 0,
        "refusals": {},
        "orphans": 0,
        "orphan_names": [],
    },
    "health": {
        "tone": "ok",
        "sentence": "up, answers in 3 ms",
        "verdict": "up",
        "up": ["here"],
        "down": [],
        "vantages": [
            {
                "vantage": "here",
                "verdict": "up",
                "ok": True,
                "why": "",
                "status": 200,
                "milliseconds": 2.7,
                "at": 1763971200.1,
            }
        ],
    },
}
