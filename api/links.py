"""Links of the OpenAPI document: from what makes something (201) to all that can then be done with it."""

import re
from typing import Any

#: The names of an address.
NAMES = re.compile(r"{(\w+)}")


def add_links(paths: dict[str, Any]) -> None:
    """Write the links of these addresses (of an OpenAPI document) into them."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            if made := operation["responses"].get("201"):
                item = path if method == "put" else _item_of(path, paths)
                parameters = {name: f"$request.path.{name}" for name in NAMES.findall(item)}
                if method == "post":
                    new = NAMES.findall(item)[-1]
                    parameters[new] = f"$response.body#{_place_of(new, made)}"
                made["links"] = {
                    other["operationId"]: {"operationId": other["operationId"], "parameters": parameters}
                    for below in paths
                    if f"{below}/".startswith(f"{item}/") and {*NAMES.findall(below)} == {*parameters}
                    for other in paths[below].values()
                }


def _item_of(path: str, paths: dict[str, Any]) -> str:
    """The address of what a POST makes: one of the list, or one more beside the one that it is sent to."""
    return next(
        (each for each in paths if NAMES.fullmatch(each.removeprefix(f"{path}/"))),
        path.rpartition("/")[0],
    )


def _place_of(name: str, answer: dict[str, Any]) -> str:
    """Where an answer names what was made, as its example shows: by itself, or in one of its parts."""
    example = answer["content"]["application/json"]["examples"]["example"]["value"]
    parts = (f"/{part}" for part, inner in example.items() if isinstance(inner, dict) and name in inner)
    return f"/{name}" if name in example else f"{next(parts)}/{name}"
