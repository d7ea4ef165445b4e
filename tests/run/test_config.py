"""Settings from a file: a user's TOML, a run's own config.json."""

import json
from pathlib import Path

import pytest

import lfl
from lfl.run import execute
from lfl.run.config import read_config
from lfl.task import load_task
from lfl.training import resolve


def test_toml_with_either_kind_of_name(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('task = "digits"\ninner-lr = 1\nouter_lr = 1e-4\nnesterov = false\nseeds = 3\nthreads = 2\n')
    asked = read_config(path)
    assert asked == {
        "task": "digits",
        "inner_lr": 1,
        "outer_lr": 1e-4,
        "nesterov": False,
        "seeds": 3,
        "threads": 2,
    }
    asked = {name: asked[name] for name in asked.keys() - {"seeds", "threads"}}
    settings = resolve(load_task("digits", tmp_path).defaults, **asked)
    assert (settings.inner_lr, type(settings.inner_lr)) == (1.0, float)


def test_a_runs_own_config_gives_its_settings_back(tmp_path: Path) -> None:
    task = load_task("digits", tmp_path)
    settings = resolve(
        task.defaults, model="logistic", steps=3, offline_steps=2, clip_norm=0.5, schedule="cosine", redraw_theta=False
    )
    folder = execute(task, settings, tmp_path / "run", data_dir=tmp_path).folder
    asked = read_config(folder / "config.json")
    machine = {name: asked.pop(name) for name in ("device", "threads", "data_dir")}
    assert resolve(task.defaults, **asked) == settings
    assert machine["data_dir"] == str(tmp_path)


BAD = {
    "not there": (None, "cannot read"),
    "not TOML": (b"task = ", "is not TOML"),
    "not UTF-8": (b"\xff\xfe", "is not TOML"),
    "misspelt": (b"inner_rate = 0.1", "'inner_rate' is not a setting; did you mean 'inner_lr'"),
    "a rate in words": (b'inner-lr = "fast"', "--inner-lr must be a finite number, got 'fast'"),
    "a task that is a number": (b"task = 3", "--task must be a word, got 3"),
    "threads in words": (b'threads = "all"', "Expected `int | null`, got `str` - at `$.threads`"),
    "seeds true": (b"seeds = true", "Expected `int | null`, got `bool` - at `$.seeds`"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_configuration_is_named(case: str, tmp_path: Path) -> None:
    content, words = BAD[case]
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(lfl.UserError, match=words):
        read_config(path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(lfl.UserError, match="is not JSON"):
        read_config(path.with_suffix(".json"))
    path.with_suffix(".json").write_text(json.dumps([1]))
    with pytest.raises(lfl.UserError, match="got a list"):
        read_config(path.with_suffix(".json"))
