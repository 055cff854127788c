"""Who may do what with the configuration: see tests/api/matrix.py."""

from typing import Any

from tests.api.matrix import VIEWERS, Row

NOTHING = {"document": {"version": 1}}

ROWS: list[Row] = [
    Row("GET", "/api/v1/config", "config:read", VIEWERS),
    Row("POST", "/api/v1/config/plan", "config:write", VIEWERS, NOTHING),
    # Each change needs its own right: tests/api/config/test_rights.py.
    Row("POST", "/api/v1/config/apply", "config:write", VIEWERS, NOTHING),
]


def world(caller: Any) -> dict[str, Any]:
    """Nothing: these lines speak of no rows."""
    return {}
