"""Scripts of requests and answers that a real edge and a real origin play: one edge, many of them at once."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests

from tests.servers import EdgeServer, Origin, OriginAnswer, OriginRequest, eventually

# Fresh for one more second: what becomes stale soon, without a test that waits long.
SOON = (("Cache-Control", "max-age=60"), ("Age", "59"))
FRESH = (("Cache-Control", "max-age=600"),)


@dataclass(frozen=True)
class Step:
    """One request of a script, what the origin says if it is asked, and what must come of it."""

    answer: OriginAnswer | None = None  # None: the origin must not be asked
    method: str = "GET"
    send: dict[str, str] = field(default_factory=dict)
    at: str = ""  # appended to the script's own path
    stale: bool = False  # send it as soon as the cache no longer answers HIT
    cache: str | None = None  # X-Cache
    status: int = 200
    body: str | None = None
    headers: dict[str, str | None] = field(default_factory=dict)  # None: must be absent
    asked: dict[str, str | None] = field(default_factory=dict)  # what the origin was asked with


def says(body: str = "", *headers: tuple[str, str], status: int = 200) -> OriginAnswer:
    return OriginAnswer(status=status, body=body.encode(), headers=headers)


def play(edge: EdgeServer, origin: Origin, host: str, scripts: dict[str, Sequence[Step]]) -> None:
    """Play all scripts side by side; `AssertionError` names each that went wrong, and where."""
    current: dict[str, OriginAnswer] = {}
    asked: dict[str, list[OriginRequest]] = defaultdict(list)

    def answer(request: OriginRequest) -> OriginAnswer:
        name = request.path.split("/")[1]
        asked[name].append(request)
        return current.get(name, says("nobody should have asked", status=599))

    origin.answer = answer

    def run(number: int, steps: Sequence[Step]) -> str:
        name = f"script-{number}"
        for index, step in enumerate(steps, start=1):
            current.pop(name, None)
            if step.answer:
                current[name] = step.answer
            problem = check(step, edge, host, f"/{name}{step.at}", asked[name], len(asked[name]))
            if problem:
                return f"step {index}: {problem}"
        return ""

    with ThreadPoolExecutor(16) as players:
        problems = players.map(run, range(len(scripts)), scripts.values())
    wrong = [f"{sentence}: {problem}" for sentence, problem in zip(scripts, problems, strict=True) if problem]
    assert not wrong, "\n".join(wrong)


def check(
    step: Step, edge: EdgeServer, host: str, path: str, asked: list[OriginRequest], before: int
) -> str | None:
    """Play one step; what is wrong with its outcome, or None."""
    try:
        [found] = eventually(lambda: ask(step, edge, host, path), every=0.1)
        if step.answer:  # perhaps in the background
            eventually(lambda: len(asked) > before)
    except AssertionError as error:
        return str(error)
    if not step.answer and len(asked) > before:
        return f"the origin was asked {len(asked) - before} times"
    return wrong_answer(step, found) or wrong_question(step, asked)


def ask(step: Step, edge: EdgeServer, host: str, path: str) -> list[requests.Response]:
    found = edge.request(step.method, host, path, headers=step.send, allow_redirects=False)
    return [] if step.stale and found.headers.get("X-Cache") == "HIT" else [found]


def wrong_answer(step: Step, found: requests.Response) -> str | None:
    if found.status_code != step.status:
        return f"status {found.status_code}, not {step.status}"
    if step.body is not None and found.text != step.body:
        return f"body {found.text!r}, not {step.body!r}"
    expected = {**step.headers, **({"X-Cache": step.cache} if step.cache else {})}
    for name, value in expected.items():
        if found.headers.get(name) != value:
            return f"{name}: {found.headers.get(name)!r}, not {value!r}"
    return None


def wrong_question(step: Step, asked: list[OriginRequest]) -> str | None:
    for name, value in step.asked.items():
        got = {key.lower(): text for key, text in asked[-1].headers.items()}.get(name.lower())
        if got != value:
            return f"the origin was asked with {name}: {got!r}, not {value!r}"
    return None
