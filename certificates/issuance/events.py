"""What the log says of orders: one event, one line, `acme_order_step order=12 state=ready`.

Never a key or a key authorization: who can read a log need not be able to prove a name.
"""

import logging
from typing import Any

logger = logging.getLogger("certificates.acme")


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write down that something has happened; `fields` are numbers and short texts."""
    told = [f"{key}={_word(value)}" for key, value in fields.items() if value not in ("", None)]
    logger.log(level, "%s", " ".join([f"acme_{name}", *told]))


def _word(value: Any) -> str:
    text = str(value)
    plain = text.isprintable() and not set(text) & set(' "=')
    return text if plain else '"' + text.replace('"', "'") + '"'
