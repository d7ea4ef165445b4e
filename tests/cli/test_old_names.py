"""Settings that were renamed are understood by their former names, with a note of the new one."""

import json
from pathlib import Path

import pytest

import lfl
from lfl.old_names import OldNameWarning, new_flags, renamed
from lfl.run.config import read_config
from lfl.settings import FORMER_NAMES
from lfl.study import parse_variant

SHORT = ["--model", "logistic", "--steps", "4", "--batch-size", "8"]


def test_every_former_flag_is_its_present_one() -> None:
    for old, new in FORMER_NAMES.items():
        old, new = (f"--{name.replace('_', '-')}" for name in (old, new))
        with pytest.warns(OldNameWarning, match=f"{old} is called {new} now"):
            assert new_flags(["train", old, "3", f"{old}=3"]) == ["train", new, "3", f"{new}=3"]


@pytest.mark.slow
@pytest.mark.filterwarnings("always::lfl.old_names.OldNameWarning")
def test_an_old_flag_works_with_one_line(lfl_command, tmp_path: Path) -> None:
    status, _, err = lfl_command("train", *SHORT, "--init-steps", "2", "--inner=adam", "--out", "run")
    assert status == 0
    assert err.splitlines() == [
        "lfl: warning: --init-steps is called --offline-steps now.",
        "lfl: warning: --inner is called --optimizer now.",
    ]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["offline_steps"], config["optimizer"]) == (2, "adam")
    assert not FORMER_NAMES.keys() & config.keys()


def test_an_old_configuration_works_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text("init-lr = 0.5\nlookahead = 2\n")
    with pytest.warns(OldNameWarning) as notes:
        assert read_config(path) == {"offline_lr": 0.5, "horizon": 2}
    assert [str(note.message) for note in notes] == [
        "init_lr is called offline_lr now.",
        "lookahead is called horizon now.",
    ]


def test_an_old_variant_works_with_a_line() -> None:
    with pytest.warns(OldNameWarning, match="init_lr is called offline_lr now"):
        assert parse_variant("ml3 init-lr=0.01").asked == {"offline_lr": 0.01}


@pytest.mark.slow
def test_an_old_run_folder_is_read_as_before(lfl_command, tmp_path: Path) -> None:
    status, _, err = lfl_command("train", *SHORT, "--offline-steps", "2", "--out", "run")
    assert (status, err) == (0, "")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    former = {new: old for old, new in FORMER_NAMES.items()}
    path.write_text(json.dumps({former.get(name, name): value for name, value in config.items()}))
    assert renamed(json.loads(path.read_text())) == config
    assert lfl.load_run(tmp_path / "run").settings.offline_steps == 2
    status, _, err = lfl_command("eval", "run")
    assert (status, err) == (0, "")
