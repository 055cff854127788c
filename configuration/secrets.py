"""Where secrets come from: a file names them, {env: NAME} or {file: PATH}; the API is told them.

An export has none. One that is left out stays as it is; a new secondary then has a key made for it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: From what stands in the document to the secret. Raises `ValueError` with a sentence.
Reveal = Callable[[Any], str]


def from_references(folder: Path) -> Reveal:
    """For documents in files: secrets stand elsewhere; paths are relative to `folder`."""

    def reveal(value: Any) -> str:
        if not isinstance(value, dict) or len(value) != 1 or not {"env", "file"} & {*value}:
            raise ValueError("A secret does not stand here; write {env: NAME} or {file: PATH}.")
        ((kind, name),) = value.items()
        if not isinstance(name, str):
            raise ValueError(f"“{kind}” is followed by a name.")
        return _env(name) if kind == "env" else _file(folder / name)

    return reveal


def as_told(value: Any) -> str:
    """For documents in requests: nothing of this machine's files and environment is read for them."""
    if not isinstance(value, str):
        raise ValueError("Send the secret itself: references are followed by manage.py config_apply alone.")
    return value


def _env(name: str) -> str:
    if not (secret := os.environ.get(name, "")):
        raise ValueError(f"There is nothing in the environment as {name}.")
    return secret


def _file(path: Path) -> str:
    try:
        secret = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__}).") from error
    if not secret:
        raise ValueError(f"{path} is empty.")
    return secret
