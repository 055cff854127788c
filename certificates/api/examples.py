"""Worked examples for the OpenAPI document."""

from typing import Any

AUTHORITY: dict[str, Any] = {
    "name": "letsencrypt",
    "enabled": True,
    "position": 10,
    "directory_url": "https://acme-v02.api.letsencrypt.org/directory",
    "staging_url": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "contact": "ops@example.com",
    "terms_agreed": True,
    "eab_kid": "",
    "has_eab_key": False,
    "trust": "",
    "profile": "",
    "max_names": 100,
    "state": {"tone": "ok", "sentence": "asked"},
    "accounts": [{"staging": False, "url": "https://acme-v02.api.letsencrypt.org/acme/acct/1"}],
    "created_at": "2026-11-24T10:00:00Z",
    "updated_at": "2026-11-24T10:00:00Z",
}
TESTED: dict[str, Any] = {
    "results": [{"ok": True, "sentence": "letsencrypt answers (with renewal information)."}]
}
CERTIFICATE: dict[str, Any] = {
    "id": 31,
    "names": ["example.com", "www.example.com"],
    "source": "acme",
    "issuer": "CN=R12,O=Let's Encrypt,C=US",
    "authority": "letsencrypt",
    "staging": False,
    "key_type": "ECDSA P-256",
    "not_before": "2026-11-24T09:00:00Z",
    "not_after": "2027-02-22T09:00:00Z",
    "fingerprint": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "serial": "4f1c2a",
    "used_by": [{"host": "www.example.com", "use": "current"}],
    "served": [{"node": "edge-1", "ok": True, "why": "", "at": "2026-11-24T10:00:00Z"}],
    "revoked_at": None,
    "revocation_reason": "",
    "created_at": "2026-11-24T10:00:00Z",
}
UPLOAD: dict[str, Any] = {
    "request": {
        "domains": ["www.example.com"],
        "certificate": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n",
        "key": "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n",
    },
    "response": {
        "certificate": {**CERTIFICATE, "source": "upload", "authority": None},
        "domains": ["www.example.com"],
        "notes": [],
    },
}
CHAIN: dict[str, Any] = {"pem": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"}
CALENDAR: dict[str, Any] = {
    "results": [
        {
            "host": "www.example.com",
            "not_before": "2026-11-24T09:00:00Z",
            "not_after": "2027-02-22T09:00:00Z",
            "left": 0.98,
            "late": False,
            "uploaded": False,
        }
    ]
}
ENROLLMENT: dict[str, Any] = {
    "host": "www.example.com",
    "source": "acme",
    "authority": None,
    "challenge": "auto",
    "key_type": "ecdsa-p256",
    "current": {
        "id": 31,
        "names": ["example.com", "www.example.com"],
        "source": "acme",
        "issuer": "CN=R12,O=Let's Encrypt,C=US",
        "not_after": "2027-02-22T09:00:00Z",
        "fingerprint": CERTIFICATE["fingerprint"],
    },
    "being_tried": None,
    "previous": None,
    "order": None,
    "next_step": "renewal on 2027-01-23 09:00 UTC: two thirds of its life will be over",
    "problem": "",
    "attempts": 0,
    "first_failed_at": None,
    "issued_at": "2026-11-24T10:00:00Z",
    "requested_at": None,
    "next_attempt_at": "2027-01-23T09:00:00Z",
    "renew_at": "2027-01-23T09:00:00Z",
    "being_tried_on": "",
    "ari_start": None,
    "ari_end": None,
    "ari_check_at": None,
    "ari_explanation": "",
}
STATUS: dict[str, Any] = {
    "tone": "ok",
    "sentence": "served on 2 of 2, valid until 2027-02-22 09:00 UTC (90 days left)",
    "next_step": ENROLLMENT["next_step"],
    "pending": False,
    "edges": [{"node": "edge-1", "ok": True, "sentence": "serves it"}],
    "problems": [],
}
DELEGATION: dict[str, Any] = {
    "results": [
        {
            "name": "www.example.com",
            "record": "_acme-challenge.www.example.com",
            "target": "_acme-challenge.k7m3xw9p2qab.cdn.example.net",
            "needed": True,
            "found": False,
            "sentence": "Create this record: _acme-challenge.www.example.com. CNAME "
            "_acme-challenge.k7m3xw9p2qab.cdn.example.net.",
        }
    ]
}
ORDER: dict[str, Any] = {
    "id": 12,
    "host": "www.example.com",
    "authority": "letsencrypt",
    "staging": False,
    "names": ["www.example.com"],
    "state": "validating",
    "sentence": "",
    "problem": None,
    "authorizations": [
        {
            "name": "www.example.com",
            "wildcard": False,
            "challenge_type": "http-01",
            "dns_name": "",
            "state": "pending",
        }
    ],
    "certificate": None,
    "url": "https://acme-v02.api.letsencrypt.org/acme/order/1/2",
    "certificate_url": "",
    "replaces": "",
    "created_at": "2026-11-24T10:00:00Z",
    "changed_at": "2026-11-24T10:00:03Z",
    "due_at": "2026-11-24T10:00:05Z",
    "expires_at": "2026-12-01T10:00:00Z",
    "ended_at": None,
}
TICKET_KEY: dict[str, Any] = {
    "label": "20261124T090000",
    "active_from": "2026-11-24T09:00:00Z",
    "created_at": "2026-11-24T08:00:00Z",
}
BACKOFF: dict[str, Any] = {
    "id": 3,
    "name": "www.example.com",
    "authority": "letsencrypt",
    "staging": False,
    "failures": 2,
    "next_at": "2026-11-24T11:00:00Z",
    "problem": "No answer from www.example.com.",
}
