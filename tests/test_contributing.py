"""CONTRIBUTING.md and the glossary name files, flags and names that exist."""

import re
from pathlib import Path

import pytest

import lfl
from lfl.evolution_settings import EVOLUTION
from lfl.fewshot_settings import FEWSHOT_SETTINGS
from lfl.setting import flag
from lfl.settings import SETTINGS

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
OF_COMMANDS = {"--config", "--out", "--methods", "--before"}


def test_the_files_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:lfl|tests|docs|cli)[\w/.-]*)`", CONTRIBUTING))
    assert len(named) > 40
    absent = {name for name in named - {"lfl_cli"} if not (ROOT / name).exists()}
    assert absent - {f"lfl.{name}" for name in lfl.__all__} == set()


def test_twenty_statements_of_the_paper_have_a_file() -> None:
    table = CONTRIBUTING.partition("Where the paper's sentences are")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "`lfl/" in line]
    assert len(rows) == 20


@pytest.mark.parametrize("page", ["glossary.md", "training-step.md", "settings.md"])
def test_the_flags_that_are_named_are_settings(page: str) -> None:
    flags = set(re.findall(r"`(--[a-z-]+)", (ROOT / "docs" / page).read_text()))
    former = {flag(each.was) for each in SETTINGS.values() if each.was}
    assert (
        flags
        - {flag(name) for name in SETTINGS | EVOLUTION | FEWSHOT_SETTINGS}
        - OF_COMMANDS
        - (former if page == "settings.md" else set())
        == set()
    )


def test_the_settings_that_it_shows_how_to_add_is_valid() -> None:
    line = re.search(r"    (mood: str = setting\(.*\))\n", CONTRIBUTING)
    assert line is not None
    assert line[1] in (ROOT / "tests" / "test_settings.py").read_text()
