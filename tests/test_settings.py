"""Settings are declared once: each declaration holds together, and one more line makes a flag, a key and a check."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import get_args

import lfl_cli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lfl_cli.listing import settings_table

import lfl
from lfl.catalogue import METHODS, TASKS
from lfl.errors import UserError
from lfl.setting import MOST_COUNT, flag
from lfl.settings import FORMER_NAMES, PANELS, SETTINGS, TYPES, Settings, check_setting
from lfl.training import resolve


@pytest.mark.parametrize("name", SETTINGS)
def test_a_declaration_is_whole(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.panel in PANELS
    assert setting.help.endswith(".") != bool(setting.choices), "choices are listed behind a colon"
    assert setting.methods is None or set(setting.methods) <= set(METHODS)
    assert setting.shown or not callable(setting.default) or hasattr(TASKS["digits"].defaults, name)
    if setting.default is not None and not callable(setting.default):
        check_setting(name, setting.default)


def test_former_names_are_names_no_more() -> None:
    assert not FORMER_NAMES.keys() & SETTINGS.keys()
    assert set(FORMER_NAMES.values()) <= SETTINGS.keys()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", [name for name in METHODS if name != "fixed"])
def test_every_default_may_be_given(task: str, method: str) -> None:
    """What is resolved and given back, as from a config.json, is resolved to the same."""
    defaults = TASKS[task].defaults
    settings = resolve(defaults, task=task, method=method)
    assert [each.name for each in fields(settings)] == list(SETTINGS)
    assert resolve(defaults, **asdict(settings)) == settings


WHOLE = [name for name in SETTINGS if TYPES[name] in (int, int | None)]
REAL = [name for name in SETTINGS if TYPES[name] in (float, float | None)]
CLOSED = [name for name, each in SETTINGS.items() if each.choices and not each.own and not each.share]


@given(st.sampled_from(WHOLE), st.integers(-5, MOST_COUNT + 5))
def test_counts_are_in_their_range(name: str, value: int) -> None:
    if SETTINGS[name].least <= value <= MOST_COUNT:
        check_setting(name, value)
    else:
        with pytest.raises(UserError, match=rf"{flag(name)} must be a whole number of at least"):
            check_setting(name, value)


@given(st.sampled_from(REAL), st.floats(allow_nan=True))
def test_numbers_are_finite_and_not_negative(name: str, value: float) -> None:
    if 0.0 <= value <= 3.4e38:
        check_setting(name, value)
    else:
        with pytest.raises(UserError, match=f"{flag(name)} must be a finite number of at least 0"):
            check_setting(name, value)


@given(st.sampled_from(CLOSED), st.text(max_size=8))
def test_a_closed_choice_is_one_of_its_words(name: str, value: str) -> None:
    if value in SETTINGS[name].choices:
        check_setting(name, value)
    else:
        with pytest.raises(UserError):
            check_setting(name, value)


@given(st.sampled_from(list(SETTINGS)), st.one_of(st.booleans(), st.integers(), st.text(), st.none(), st.floats()))
def test_a_value_of_another_type_is_refused_by_name(name: str, value: object) -> None:
    types = get_args(TYPES[name]) or (TYPES[name],)
    if type(value) in types or (type(value) is int and float in types):
        return
    with pytest.raises(UserError, match=f"{flag(name)} must be"):
        check_setting(name, value)


def test_a_method_has_its_own_defaults_before_the_tasks() -> None:
    defaults = TASKS["digits"].defaults
    assert resolve(defaults, method="residual").momentum == METHODS["residual"].defaults["momentum"]
    assert resolve(defaults, method="residual", momentum=0.5).momentum == 0.5
    assert resolve(defaults, method="residual", optimizer="adam").momentum == 0.0


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(UserError, match="unknown setting 'lr'"):
        resolve(TASKS["digits"].defaults, lr=0.1)


@pytest.mark.slow
def test_one_line_adds_a_setting(tmp_path: Path) -> None:
    """Flag, help, completion, `--config`, `config.json`, check and documentation follow from one declaration."""
    for package, name in ((lfl, "lfl"), (lfl_cli, "lfl_cli")):
        shutil.copytree(Path(package.__file__).parent, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "lfl" / "settings.py"
    line = '    mood: str = setting(OUTPUT, "Mood of the run", "calm", choices={"calm": "quiet", "wild": "loud"})\n'
    source = path.read_text()
    path.write_text(source.replace("    def __post_init__", line + "\n    def __post_init__", 1))

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'lfl'; from lfl_cli.app import main; main()",
            *arguments,
        ]
        names = os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"} | environment
        return subprocess.run(command, cwd=tmp_path, env=names, capture_output=True, text=True, check=False)

    assert re.search(r"--mood .*Mood of the run: calm, wild", call("train", "--help").stdout)
    words = {"_LFL_COMPLETE": "complete_bash", "COMP_WORDS": "lfl train --mood w", "COMP_CWORD": "3"}
    assert call(**words).stdout.split() == ["wild"]
    assert "| `--mood` | Mood of the run: `calm`, `wild`. | calm | all |" in call("list", "--settings").stdout
    wrong = call("train", "--mood", "sad")
    assert (wrong.returncode, wrong.stderr) == (2, "lfl: error: unknown --mood 'sad'; choose one of: calm, wild\n")
    (tmp_path / "my.toml").write_text('model = "logistic"\nsteps = 2\noffline-steps = 1\nmood = "wild"\n')
    done = call("train", "--config", "my.toml", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["mood"] == "wild"


def test_settings_are_checked_when_they_are_made() -> None:
    settings = asdict(resolve(TASKS["digits"].defaults))
    with pytest.raises(UserError, match="multiples of --horizon"):
        Settings(**(settings | {"horizon": 3}))


def test_the_page_of_settings_is_generated() -> None:
    page = Path(__file__).parent.parent / "docs" / "settings.md"
    shown = re.search(r"<!-- lfl list --settings -->\n(.*?)<!-- /lfl", page.read_text(), re.S)
    assert shown is not None
    assert shown[1].strip() == settings_table()
