"""Worked examples for the OpenAPI document."""

from typing import Any

ZONE: dict[str, Any] = {
    "apex": "cdn.example.net",
    "enabled": True,
    "serves_sites": True,
    "default_ttl": 60,
    "nameservers": [
        {"name": "ns1.cdn.example.net", "ipv4": "192.0.2.53", "ipv6": None},
        {"name": "ns2.example.org", "ipv4": None, "ipv6": None},
    ],
    "mname": "",
    "rname": "",
    "refresh": 300,
    "retry": 60,
    "expire": 2419200,
    "minimum": 60,
    "notes": "",
    "serial": 2026112401,
    "built_at": "2026-11-24T10:00:00Z",
    "refusal": "",
    "warnings": [],
    "created_at": "2026-11-24T09:00:00Z",
    "updated_at": "2026-11-24T10:00:00Z",
}
STATE: dict[str, Any] = {
    "secondary": "ns1",
    "zone": "cdn.example.net",
    "serial": 2026112401,
    "soa_serial": 2026112401,
    "asked_at": "2026-11-24T10:00:02Z",
    "seen_at": "2026-11-24T10:00:02Z",
    "behind_since": None,
    "error": "",
}
STATUS: dict[str, Any] = {
    "tone": "ok",
    "sentence": "INSYNC: version 2026112401 is answered by 1 of 1 secondaries, 0.4 s after it was published",
    "serial": 2026112401,
    "answered_by": 1,
    "given_to": 1,
    "secondaries": [STATE],
}
RECORD: dict[str, Any] = {
    "id": 12,
    "name": "www",
    "type": "A",
    "ttl": None,
    "value": "192.0.2.80",
}
BULK: dict[str, Any] = {
    "request": {
        "atomic": False,
        "items": [
            {"action": "put", "name": "www", "type": "A", "value": "192.0.2.80"},
            {"action": "delete", "name": "old", "type": "CNAME", "value": "www.example.com"},
        ],
    },
    "response": {
        "results": [
            {"result": "created", "status": 201, "id": 12},
            {
                "result": "failed",
                "status": 404,
                "problem": {
                    "type": "/api/v1/problems/not-found",
                    "title": "There is no such thing",
                    "status": 404,
                    "detail": "The zone has no such record.",
                },
            },
        ],
        "failed": 1,
    },
}
MASTER_FILE = "$ORIGIN example.com.\n$TTL 60\nwww\tIN\tA\t192.0.2.80\n"
VERSION: dict[str, Any] = {
    "serial": 2026112401,
    "facts_at": "2026-11-24T10:00:00Z",
    "published_at": "2026-11-24T10:00:01Z",
    "insync_at": "2026-11-24T10:00:02Z",
    "changed": 1,
    "changed_names": ["www"],
    "names": 120,
    "nodes": ["edge-1", "edge-2"],
    "replaced_ttl": 60,
}
CHALLENGE: dict[str, Any] = {
    "id": 5,
    "zone": "cdn.example.net",
    "name": "_acme-challenge.www",
    "value": "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0",
    "created_at": "2026-11-24T10:00:00Z",
}
SECONDARY: dict[str, Any] = {
    "name": "ns1",
    "enabled": True,
    "address": "192.0.2.53",
    "port": 53,
    "zones": [],
    "tsig_name": "cirrus-ns1",
    "tsig_algorithm": "hmac-sha256",
    "notes": "",
}
WITH_KEY: dict[str, Any] = {**SECONDARY, "tsig_secret": "q1hF0J0vVjJ7yqv2u0H6m2kqkq6mJ2Qb8c0m3p9rX1o="}
SITE: dict[str, Any] = {
    "host": "www.example.com",
    "access_name": "k7m3xw9p2qab.cdn.example.net",
    "replicas": None,
    "ttl": 30,
    "pinned": [],
    "excluded": ["edge-3"],
    "regions": ["eu-west"],
}
EXPLANATION: dict[str, Any] = {
    "host": "www.example.com",
    "names": ["k7m3xw9p2qab.cdn.example.net"],
    "ipv4": ["edge-1"],
    "ipv6": [],
    "waiting": [],
    "sentences": ["Clients are sent to edge-1 (IPv4).", "They are chosen from its regions."],
    "without": [],
    "taking_over": [],
    "nodes": [
        {
            "node": "edge-1",
            "region": "eu-west",
            "state": "up",
            "weight": 100,
            "share": 1.0,
            "place": 1,
            "ipv4": "won",
            "ipv6": "no IPv6",
            "verdict": "won",
            "sentence": "Answers for IPv4: place 1 of 1 by score. It has no IPv6 address.",
        }
    ],
}
SUMMARY: dict[str, Any] = {
    "sites": 120,
    "nodes": [
        {
            "node": "edge-1",
            "region": "eu-west",
            "state": "up",
            "weight": 100,
            "answering": 120,
            "first": 61,
            "share": 0.51,
            "fair": 0.5,
        }
    ],
    "notes": [],
    "without": ["edge-2"],
    "change": {
        "sentence": "If edge-2 went down, 59 of 120 sites would move.",
        "moved": 59,
        "gaining": [{"node": "edge-1", "sites": 59}],
        "notes": [],
    },
}
