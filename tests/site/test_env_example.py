""".env.example lists every setting, with its default and a sentence about it."""

import re

from cirrus_site.config import BASE_DIR, SECRET_FIELDS, Config, environment_name, read_config

LINES = (BASE_DIR / ".env.example").read_text().splitlines()
SETTING = re.compile(r"#([A-Z][A-Z0-9_]*)=(.*)")


def listed() -> dict[str, str]:
    return {match[1]: match[2] for match in map(SETTING.fullmatch, LINES) if match}


def test_every_setting_is_listed_and_nothing_else():
    assert sorted(listed()) == sorted(environment_name(name) for name in Config.model_fields)


def test_each_listed_value_is_the_default():
    assert read_config(listed()) == read_config({})


def test_each_setting_stands_below_a_sentence():
    for number, line in enumerate(LINES):
        if SETTING.fullmatch(line):
            block = number
            while SETTING.fullmatch(LINES[block]):
                block -= 1
            assert re.match(r"# .*[.;:)]$", LINES[block]), f"no sentence above {line}"


def test_the_secrets_that_may_come_from_files_are_named():
    text = "\n".join(LINES)
    for name in SECRET_FIELDS:
        assert f"{environment_name(name)}_FILE" in text
