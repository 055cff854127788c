"""docs/api.md, from “no account” to the first purge, word for word: its commands and its documents."""

import json
import re
import shlex
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from rest_framework.test import APIClient

from api.problems import PROBLEMS
from tests.api.conftest import client_with
from tests.factories import DomainFactory

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = (settings.BASE_DIR / "docs" / "api.md").read_text()
BEGINNING = TEXT.partition("## From no account")[2].partition("\n## ")[0]


def run(line: str) -> str:
    """The stdout of a command of the page."""
    out = StringIO()
    call_command(*shlex.split(line)[1:], stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def curl(client: APIClient, line: str):
    """The answer to an `api` line of the page."""
    _, address, *rest = shlex.split(line)
    path = address.replace("$API", "/api/v1")
    return client.post(path, json.loads(rest[1])) if rest else client.get(path)


def test_from_no_account_to_the_first_purge(keyspace):
    DomainFactory(host="www.demo.test")
    lines = [line.strip() for line in BEGINNING.splitlines() if re.match(r" {6,}\S", line)]
    client, answers = APIClient(), []
    for line in lines:
        if line.startswith("manage.py"):
            run(line)
        elif command := re.fullmatch(r"TOKEN=\$\((.+)\)", line):
            client = client_with(run(command[1]))
        else:
            answers.append(curl(client, line))
    assert [answer.status_code for answer in answers] == [201, 200, 202], [a.content for a in answers]
    assert [one["host"] for one in answers[1].json()["results"]] == ["www.demo.test"]
    assert answers[2].json()["purges"][0]["id"]


def test_the_page_names_every_type_of_problem():
    table = TEXT.partition("## Errors")[2]
    assert set(PROBLEMS) <= set(re.findall(r"`([a-z-]+)`", table))
