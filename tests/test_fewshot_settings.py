"""The settings of few-shot runs: published values of each cell, ranges, routes, and the page that lists them."""

import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from lfl_cli.listing import few_shot_table

from lfl.errors import UserError
from lfl.fewshot import METHODS, PROTOCOLS
from lfl.fewshot.methods.npbml import FORMS as AS
from lfl.fewshot.methods.npbml import OTHER_PARTS, PARTS
from lfl.fewshot_catalogue import BATCH_NORM, EPISODES, FEWSHOT_METHODS
from lfl.fewshot_catalogue import FORMS as HYPERGRADIENTS
from lfl.fewshot_catalogue import PARTS as NAMED_PARTS
from lfl.fewshot_settings import (
    FEWSHOT_PANELS,
    FEWSHOT_SETTINGS,
    FEWSHOT_TYPES,
    OWN_OF_FEWSHOT,
    asks_for_episodes,
    flags_of_train,
    resolve_fewshot,
)
from lfl.hypergradient.bilevel_gradient import FORMS
from lfl.setting import check_value
from lfl.settings import SETTINGS

PAGE = Path(__file__).parent.parent / "docs" / "fewshot.md"


@pytest.mark.parametrize(
    ("ways", "shots", "inner_steps", "inner_lr", "test_steps", "meta_batch"),
    [(5, 1, 1, 0.4, 3, 32), (5, 5, 1, 0.4, 3, 32), (20, 1, 5, 0.1, 5, 16), (20, 5, 5, 0.1, 5, 16)],
)
def test_the_cells_of_omniglot_are_those_of_mamls_paper(
    ways: int, shots: int, inner_steps: int, inner_lr: float, test_steps: int, meta_batch: int
) -> None:
    found = resolve_fewshot({"task": "omniglot", "ways": ways, "shots": shots})
    assert (found.inner_steps, found.inner_lr, found.test_steps) == (inner_steps, inner_lr, test_steps)
    assert (found.meta_batch, found.queries, found.steps, found.outer_lr) == (meta_batch, shots, 60_000, 1e-3)
    assert (found.model, found.method, found.rotations, found.split) == ("conv4", "maml", "classes", "random")
    assert (found.batch_norm, found.outer_schedule, found.momentum) == ("batch", "constant", 0.0)


def test_sine_curves_have_settings_of_their_own() -> None:
    found = resolve_fewshot({"task": "sinusoid"})
    assert (found.ways, found.shots, found.queries, found.model) == (1, 5, 5, "mlp-40")
    assert (found.inner_steps, found.inner_lr, found.meta_batch, found.steps) == (1, 0.01, 25, 70_000)
    assert resolve_fewshot({"task": "sinusoid", "method": "maml++"}).inner_lr == 0.01


def test_a_methods_own_default_goes_before_the_cells_and_what_is_asked_before_both() -> None:
    assert resolve_fewshot({"method": "maml++"}).meta_batch == 8
    assert resolve_fewshot({"method": "maml++", "meta_batch": 3}).meta_batch == 3
    assert resolve_fewshot({"method": "npbml"}).queries == 15


@pytest.mark.parametrize("method", FEWSHOT_METHODS)
@pytest.mark.parametrize("task", [*EPISODES, "folder/"])
def test_every_default_may_be_given(task: str, method: str) -> None:
    if (task, method) == ("sinusoid", "npbml"):
        pytest.skip("npbml is for pictures")
    settings = resolve_fewshot({"task": task, "method": method})
    assert resolve_fewshot(asdict(settings)) == settings


@pytest.mark.parametrize("name", FEWSHOT_SETTINGS)
def test_a_declaration_is_whole(name: str) -> None:
    setting = FEWSHOT_SETTINGS[name]
    assert setting.panel in FEWSHOT_PANELS
    assert setting.help.endswith(".") != bool(setting.choices)
    assert setting.methods is None or set(setting.methods) <= set(FEWSHOT_METHODS)
    assert setting.shown or not callable(setting.default)
    if setting.default is not None and not callable(setting.default):
        check_value(name, FEWSHOT_TYPES[name], setting, setting.default)


def test_names_are_those_of_the_code() -> None:
    assert set(FEWSHOT_METHODS) == set(METHODS)
    assert set(BATCH_NORM) == set(PROTOCOLS)
    assert set(HYPERGRADIENTS) == {"auto", *FORMS}
    assert set(NAMED_PARTS) == {"all", "none", *PARTS, *OTHER_PARTS}
    assert set(FEWSHOT_SETTINGS["as_"].choices) == set(AS)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"task": "sinusoid", "ways": 5}, "--ways of sinusoid is 1"),
        ({"ways": 1}, "--ways must be at least 2"),
        ({"shots": 0}, "--shots must be a whole number of at least 1"),
        ({"queries": 1001}, "--queries must be at most 1,000"),
        ({"inner_steps": -1}, "--inner-steps must be a whole number of at least 0"),
        ({"method": "imaml", "inner_steps": 0}, "--inner-steps 0"),
        ({"nesterov": True}, "--momentum is 0"),
        ({"method": "npbml", "task": "sinusoid"}, "is for pictures"),
        ({"parts": "none,film"}, "none alone"),
        ({"parts": "all,film"}, "all alone"),
        ({"as_": "both"}, "unknown --as 'both'"),
        ({"outer_lr": float("nan")}, "--outer-lr must be a finite number"),
        ({"meta_every": 3}, "--meta-every is for runs without episodes"),
        ({"shotz": 3}, "unknown setting 'shotz'"),
    ],
)
def test_what_is_out_of_range_is_refused(asked: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        resolve_fewshot(asked)


def test_the_route_follows_from_task_method_and_flags() -> None:
    assert asks_for_episodes({"task": "sinusoid"})
    assert asks_for_episodes({"task": "pictures/", "ways": 3})
    assert asks_for_episodes({"task": "pictures/", "method": "maml"})
    assert not asks_for_episodes({"task": "pictures/"})
    assert not asks_for_episodes({"method": "adalfl"})
    assert not asks_for_episodes({})
    for asked in ({"ways": 3}, {"method": "npbml"}, {"task": "digits", "as_": "written"}):
        with pytest.raises(UserError, match="is for episodes, but --task"):
            asks_for_episodes(asked)


def test_each_flag_of_lfl_train_is_declared_once() -> None:
    flags, types = flags_of_train()
    assert list(flags) == [*SETTINGS, *OWN_OF_FEWSHOT]
    assert set(types) >= set(flags)
    for name in FEWSHOT_SETTINGS.keys() & SETTINGS.keys():
        assert set(flags[name].choices) == set(SETTINGS[name].choices) | set(FEWSHOT_SETTINGS[name].choices)
    assert "of episodes: steps on a task while training." in flags["inner_steps"].help


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, lfl_cli.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_page_lists_every_setting() -> None:
    shown = re.search(r"<!-- lfl list --few-shot -->\n(.*?)\n<!-- /lfl list", PAGE.read_text(), re.S)
    assert shown is not None
    assert shown[1] == few_shot_table()
