"""`manage.py explain_url`: why does an edge answer a URL as it does?"""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.forms import GenericIPAddressField

from domains.conditions import country
from edge.errors import NotExplained
from edge.explain import Question, url_explain


class Command(BaseCommand):
    help = "Ask an edge what it makes of a URL: which rule, which key, how long an answer is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="a whole URL, such as http://www.example.com/a?x=1")
        parser.add_argument("--method", default="GET")
        parser.add_argument(
            "--header", action="append", default=[], type=pair(":"), metavar="NAME:VALUE", help="repeatable"
        )
        parser.add_argument(
            "--cookie", action="append", default=[], type=pair("="), metavar="NAME=VALUE", help="repeatable"
        )
        parser.add_argument(
            "--from", dest="address", default="", metavar="ADDRESS", help="the client's address"
        )
        parser.add_argument("--country", default="", help="the client's country, such as DE")
        parser.add_argument("--status", type=int, default=200, help="of the answer that is asked about")
        parser.add_argument(
            "--answer",
            action="append",
            default=[],
            type=pair(":"),
            metavar="NAME:VALUE",
            help="a header of that answer, such as Cache-Control: no-store; repeatable",
        )
        parser.add_argument("--node", default="", help="this edge; else any that serves")
        parser.add_argument("--json", action="store_true", help="print the edge's answer as it is")

    def handle(self, *, url: str, header: list[tuple[str, str]], **options: Any) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in options["cookie"])
        headers = [*header, *([("Cookie", cookies)] if cookies else [])]
        question = Question(
            url,
            options["method"].upper(),
            tuple(headers),
            checked("--from", GenericIPAddressField().clean, options["address"]),
            checked("--country", country, options["country"]),
            options["status"],
            tuple(options["answer"]),
        )
        try:
            explanation = url_explain(question=question, node=options["node"])
        except NotExplained as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(explanation.facts, indent=2, sort_keys=True))
            return
        lines = explanation.lines()
        width = max(len(name) for name, _ in lines)
        self.stdout.write("\n".join(f"{name:<{width}}  {value}" for name, value in lines))


def checked(option: str, form: Callable[[str], str], text: str) -> str:
    """The text in its form; where it has none, the sentence that the page's field would say."""
    try:
        return form(text) if text else ""
    except ValidationError as error:
        raise CommandError(f"{option} {text}: {' '.join(error.messages)}") from error


def pair(between: str) -> Any:
    """Reads `NAME:VALUE`."""

    def read(text: str) -> tuple[str, str]:
        name, found, value = text.partition(between)
        if not found or not name.strip():
            raise ArgumentTypeError(f"“{text}” is not of the form NAME{between}VALUE")
        return name.strip(), value.strip()

    return read
