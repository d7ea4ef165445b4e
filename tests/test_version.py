"""The version stands in `pyproject.toml`; what else names it says the same."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CITATION = (ROOT / "CITATION.cff").read_text()
SECTIONS = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_citation_names_the_version() -> None:
    assert re.findall(r"^version: (.*)$", CITATION, re.M) == [VERSION]


def test_the_changelog_has_a_section_of_the_version_and_its_date_under_what_is_unreleased() -> None:
    (released,) = re.findall(r"^date-released: (.*)$", CITATION, re.M)
    sections = SECTIONS[1:] if SECTIONS[0] == "Unreleased" else SECTIONS
    assert sections[0] == f"{VERSION} ({released})"


def test_no_other_file_of_the_package_holds_a_version() -> None:
    """`lfl.version` reads the installed one."""
    stated = re.compile(r"(?i)version[^\n]*=\s*[\"']\d+\.\d+")
    for path in [*(ROOT / "lfl").rglob("*.py"), *(ROOT / "cli").rglob("*.py"), ROOT / "docs" / "conf.py"]:
        assert not stated.search(path.read_text()), path
