"""schemathesis as our strangers use it: it knows the OpenAPI document and the names of a world, and asks the
API everything, right and wrong, that they allow."""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.generation import GenerationMode

from api.documents import document
from api.etags import CONDITION
from api.problems import TYPES_AT

#: How often an address names something that is there.
MEETS = 0.85
#: Answers to requests of the right form. “Invalid” (400) is one, as no schema says that a region is there or
#: that a certificate is one; so are a condition that does not hold (412) and a key that comes again (422).
RIGHT = ["2xx", "304", "400", "403", "404", "409", "412", "422"]
#: Answers to requests of a wrong form; what else is wrong with one may be said first.
WRONG = ["400", "403", "404", "405", "406", "409", "412", "415"]


@schemathesis.check
def refuses_with_a_reason(context: Any, response: Any, case: Any) -> None:
    """What has the right form can be read: if it is refused, then with the fields that are wrong."""
    right = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if response.status_code == 400 and right and not _unstorable(case) and not _odd_condition(case):
        problem = response.json()
        assert problem["type"] == f"{TYPES_AT}invalid", problem
        assert problem["errors"], problem


def _odd_condition(case: Any) -> bool:
    """Whether a condition has not the form that the document says: systematic requests ignore its pattern."""
    sent = [(case.headers or {}).get(name) for name in ("If-Match", "If-None-Match")]
    return any(said is not None and not CONDITION.fullmatch(said.strip()) for said in sent)


def _unstorable(case: Any) -> bool:
    """Whether it has a NUL character or half of a surrogate pair, which JSON has and databases have not."""
    said = json.dumps([case.path_parameters, case.query, case.headers, case.body], default=str)
    return "\\u0000" in said or "\\ud" in said


def schema_for(
    *, base: str, world: dict[str, list[Any]], secret: str, examples: int, seed: int, sample: int
) -> Any:
    """The schema of the API at `base`, to be asked as this token's owner.

    `examples`: requests of each operation that are made up. One operation of `sample` is also gone through
    systematically, field by field, which takes long; which ones, the seed says.
    """
    raw = json.loads(document())
    dictionaries, operations = _names(raw["paths"], world)
    drawn = [
        f"{method.upper()} {path}"
        for path, methods in raw["paths"].items()
        for method in methods
        if _drawn(f"{method} {path}", seed, sample)
    ]
    others = {"include-path-regex": ".", "exclude-name": drawn}
    return schemathesis.openapi.from_dict(
        raw,
        config=SchemathesisConfig.from_dict(
            {
                "seed": seed,
                "base-url": base,
                "request-timeout": 300,
                "headers": {"Authorization": f"Bearer {secret}"},
                "dictionaries": dictionaries,
                "operations": [*operations, {**others, "phases": {"coverage": {"enabled": False}}}],
                "continue-on-failure": True,
                "suppress-health-check": ["all"],
                "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
                "checks": {
                    "positive_data_acceptance": {"expected-statuses": RIGHT},
                    "negative_data_rejection": {"expected-statuses": WRONG},
                },
            }
        ),
    )


def _drawn(label: str, seed: int, sample: int) -> bool:
    return (zlib.crc32(label.encode()) + seed) % sample == 0


def _names(paths: dict[str, Any], world: dict[str, list[Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What each name of each address is mostly taken from.

    Paths whose names are taken from the same have one entry: each is compared with every request.
    """
    dictionaries = {_word(address): {"values": [str(each) for each in world[address]]} for address in world}
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for path in paths:
        found = []
        for match in re.finditer(r"{(\w+)}", path):
            address = path[: match.end()].removeprefix("/api/v1")
            if address in world:
                found.append((f"path.{match[1]}", _word(address)))
        if found:
            alike.setdefault(tuple(found), []).append(path)
    return dictionaries, [
        {
            "include-path": group,
            "parameters": {name: {"dictionary": word, "probability": MEETS} for name, word in found},
        }
        for found, group in alike.items()
    ]


def addresses() -> set[str]:
    """Where the API has something by a name or a number: `/domains/{host}`."""
    paths = json.loads(document())["paths"]
    found = (path[: match.end()] for path in paths for match in re.finditer(r"{\w+}", path))
    return {address.removeprefix("/api/v1") for address in found}


def _word(address: str) -> str:
    return re.sub(r"\W+", "_", address).strip("_")


def findings(schema: Any, answers: dict[str, set[int]]) -> Iterator[str]:
    """Ask everything; what is wrong, each with its request. `answers`: gets the statuses by operation."""
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for case_id, interaction in event.recorder.interactions.items():
                if interaction.response is not None:
                    label = event.recorder.cases[case_id].value.operation.label
                    answers.setdefault(label, set()).add(interaction.response.status_code)
            yield from _failures(event.recorder)
        elif isinstance(event, events.NonFatalError):
            yield f"{event.label}: {event.info.format()}"
        elif isinstance(event, events.FatalError):
            raise event.exception


def _failures(recorder: Any) -> Iterator[str]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                response = recorder.interactions[case_id].response
                label = recorder.cases[case_id].value.operation.label
                failure = check.failure_info
                yield (
                    f"{label}: {check.name}: {failure.failure.message}\n  {failure.code_sample}\n"
                    f"  {response.status_code} {response.content[:1000].decode(errors='replace')}"
                )
