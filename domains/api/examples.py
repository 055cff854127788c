"""Worked examples for the OpenAPI document."""

from typing import Any

ORIGIN: dict[str, Any] = {
    "id": 4,
    "scheme": "https",
    "host": "origin.example.com",
    "port": None,
    "host_header": "www.example.com",
    "sni": "",
    "verify": True,
    "weight": 100,
    "backup": False,
    "connect_timeout": 1000,
    "read_timeout": 15000,
}
CONDITION: dict[str, Any] = {"what": "extension", "name": "", "values": ["jpg", "png"], "negate": False}
RULE: dict[str, Any] = {
    "id": 7,
    "position": 10,
    "name": "Images",
    "enabled": True,
    "match": "all",
    "conditions": [CONDITION],
    "bypass": False,
    "force": False,
    "strip_cookies": True,
    "edge_ttl": 86400,
    "browser_ttl": None,
    "ttl_by_status": "404: 10",
    "stale_while_revalidate": None,
    "stale_if_error": None,
    "query_mode": "only",
    "query_sort": False,
    "query_names": ["width"],
    "key_headers": [],
    "key_cookies": [],
    "key_device": False,
    "slices": False,
}
DOMAIN: dict[str, Any] = {
    "host": "www.example.com",
    "enabled": True,
    "aliases": ["example.com"],
    "origins": [ORIGIN],
    "default_ttl": 300,
    "max_ttl": 31536000,
    "negative_ttl": 10,
    "stale_while_revalidate": 10,
    "stale_if_error": 86400,
    "guard": True,
    "tls": True,
    "https_only": True,
    "hsts_max_age": 0,
    "hsts_subdomains": False,
    "tls_policy": "intermediate",
    "client_auth": "off",
    "client_ca": "",
    "rules": [{name: value for name, value in RULE.items() if name != "position"}],
    "notes": "",
    "access_name": "k7m3xw9p2qab",
    "created_at": "2026-11-24T10:00:00Z",
    "updated_at": "2026-11-24T10:00:00Z",
}
BULK: dict[str, Any] = {
    "request": {
        "atomic": False,
        "items": [
            {"action": "put", "domain": {"host": "shop.example.com", "origins": [{"host": "192.0.2.80"}]}},
            {"action": "delete", "host": "old.example.com"},
        ],
    },
    "response": {
        "results": [
            {"host": "shop.example.com", "result": "created", "status": 201},
            {
                "host": "old.example.com",
                "result": "failed",
                "status": 404,
                "problem": {
                    "type": "/api/v1/problems/not-found",
                    "title": "There is no such thing",
                    "status": 404,
                    "detail": "There is no domain “old.example.com”.",
                },
            },
        ],
        "failed": 1,
    },
}
