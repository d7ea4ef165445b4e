"""A loss of one's own, learned or by hand, from the command line; and that nobody else's is run unasked."""

import json
import shutil
import sys
from pathlib import Path

import pytest

import lfl
from lfl.run import resume

OWN = """
import torch
def by_hand(outputs, targets):
    p = torch.softmax(outputs, -1).gather(1, targets[:, None])[:, 0]
    return (1 - p**0.7) / 0.7
def learned(kind, num_outputs, generator):
    def loss_fn(phi, outputs, targets):
        losses = torch.log_softmax(outputs * phi["t"], -1).gather(1, targets[:, None])[:, 0]
        return -losses * phi["w"].index_select(0, targets)
    return {"t": torch.ones(()), "w": torch.ones(num_outputs)}, loss_fn
"""
EVIL = "open('exploded', 'w').close()\n\n\ndef learned(*arguments):\n    raise ValueError\n\n\nby_hand = learned\n"
SMALL = ["--steps", "4", "--offline-steps", "2", "--batch-size", "8", "--model", "logistic", "--checkpoint-every", "2"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module of one's own; no run was made here yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "own_cli_losses.py").write_text(OWN)
    return tmp_path


@pytest.mark.slow
def test_a_learned_loss_of_one_s_own_goes_all_the_way(here: Path, lfl_command) -> None:
    own = ["--loss", "own_cli_losses:learned"]
    assert lfl_command("train", *SMALL, *own, "--out", "run")[0] == 0
    config = json.loads((here / "run" / "config.json").read_text())
    assert (config["loss"], config["base"]) == ("own_cli_losses:learned", None)
    assert set(lfl.load_loss(here / "run").current_phi()) == {"t", "w"}
    for arguments in (
        ["eval", "run"],
        ["plot", "run"],
        ["report", "run"],
        ["export", "run", "--to", "torch"],
        ["train", *SMALL, "--method", "fixed", "--loss-from", "run", "--out", "fixed"],
    ):
        status, _, err = lfl_command(*arguments)
        assert (status, err) == (0, ""), arguments
    status, _, err = lfl_command("export", "run", "--to", "sympy")
    assert (status, "not a function of one target and one output" in err) == (2, True)


@pytest.mark.slow
def test_a_hand_made_loss_of_one_s_own(here: Path, lfl_command) -> None:
    name = "own_cli_losses:by_hand"
    assert lfl_command("train", *SMALL, "--method", "baseline", "--loss", name, "--out", "baseline")[0] == 0
    for loss in ("residual", "weight-net", "true-class"):
        assert lfl_command("train", *SMALL, "--loss", loss, "--base", name, "--out", loss)[0] == 0
        assert json.loads((here / loss / "config.json").read_text())["base"] == name
        assert lfl_command("export", loss, "--to", "torch")[0] == 0
    network = ["--loss", "residual-network", "--base", name, "--out", "network"]
    assert lfl_command("train", *SMALL, *network)[0] == 0
    status, out, _ = lfl_command("export", "network", "--to", "sympy")
    assert (status, f"M = {name} + 1/C" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "network", "--base", "focal"], "--base focal is for a learned loss that starts from it"),
        (["--method", "baseline", "--base", "focal"], "but method baseline has the loss cross-entropy"),
        (["--loss", "residual", "--base", "huber"], "unknown --base for classification 'huber'"),
        (["--loss", "residual", "--base", "nowhere_at_all:f"], "cannot be imported"),
        (["--loss", "own_cli_losses:by_hand"], "called with 'classification', 10, a generator, raised TypeError"),
        (["--method", "baseline", "--loss", "own_cli_losses:learned"], "raised TypeError"),
        (["--loss", "true-class", "--task", "diabetes"], "true-class is for classes"),
        (["--loss", "vector-scaling", "--task", "diabetes"], "vector-scaling is for classes"),
    ],
)
def test_what_cannot_be_is_told_and_leaves_nothing(arguments: list[str], words: str, here: Path, lfl_command) -> None:
    status, _, err = lfl_command("train", *SMALL, *arguments, "--out", "run")
    assert (status, words in err, err.count("\n")) == (2, True, 1), err
    assert not (here / "run").exists()


@pytest.mark.slow
def test_a_configuration_s_base_goes_with_its_loss(here: Path, lfl_command) -> None:
    assert lfl_command("train", *SMALL, "--loss", "residual", "--base", "focal", "--out", "run")[0] == 0
    assert lfl_command("train", "--config", "run/config.json", "--out", "same")[0] == 0
    assert json.loads((here / "same" / "config.json").read_text())["base"] == "focal"
    assert lfl_command("train", "--config", "run/config.json", "--loss", "network", "--out", "other")[0] == 0
    assert json.loads((here / "other" / "config.json").read_text())["base"] is None
    fixed = ["train", *SMALL, "--method", "fixed", "--loss-from", "run"]
    assert lfl_command(*fixed, "--out", "fixed")[0] == 0
    assert json.loads((here / "fixed" / "config.json").read_text())["base"] == "focal"
    status, _, err = lfl_command(*fixed, "--base", "cross-entropy", "--out", "no")
    assert (status, "the base of run is focal, got --base cross-entropy" in err) == (2, True)


def foreign(here: Path, lfl_command, **settings: object) -> None:
    """A finished run and a stopped one, as if somebody had sent them, whose settings name code."""
    assert lfl_command("train", *SMALL, "--loss", "residual", "--out", "made")[0] == 0
    shutil.move(here / "made", here / "sent")
    path = here / "sent" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    shutil.copytree(here / "sent", here / "stopped")
    (here / "stopped" / "result.json").unlink()
    (here / "evil_loss.py").write_text(EVIL)
    sys.modules.pop("evil_loss", None)


@pytest.mark.slow
@pytest.mark.parametrize("named", [{"loss": "evil_loss:learned", "base": None}, {"base": "evil_loss:by_hand"}])
def test_no_command_runs_the_loss_that_a_folder_names(named: dict[str, str], here: Path, lfl_command) -> None:
    foreign(here, lfl_command, **named)
    for harmless in (["eval", "sent"], ["plot", "sent"], ["report", "sent"]):
        status, _, err = lfl_command(*harmless)
        assert (status, err) == (0, ""), harmless
    for arguments in (
        ["resume", "stopped"],
        ["export", "sent", "--to", "torch"],
        ["export", "sent", "--to", "sympy"],
        ["train", "--config", "sent/config.json", "--out", "again"],
        ["train", *SMALL, "--method", "fixed", "--loss-from", "sent", "--out", "again"],
    ):
        status, _, err = lfl_command(*arguments)
        assert (status, "asks to run the code of the" in err, err.count("\n")) == (2, True, 1), arguments
    for load in (lambda: lfl.load_loss("sent"), lambda: lfl.AdaptiveLoss("sent"), lambda: resume(Path("stopped"))):
        with pytest.raises(lfl.UserError, match="asks to run the code of the"):
            load()
    assert "evil_loss" not in sys.modules
    assert not (here / "exploded").exists()
    assert not (here / "again").exists()


@pytest.mark.slow
def test_a_loss_from_elsewhere_is_used_where_it_is_named(here: Path, lfl_command) -> None:
    name = "own_cli_losses:learned"
    assert lfl_command("train", *SMALL, "--loss", name, "--out", "run")[0] == 0
    shutil.move(here / "run", here / "moved")
    status, _, err = lfl_command("export", "moved", "--to", "torch")
    assert (status, f"give --loss {name}, or --trust" in err) == (2, True)
    status, _, err = lfl_command("export", "moved", "--to", "torch", "--loss", "other:f")
    assert (status, "give the same" in err) == (2, True)
    for flags in (["--loss", name], ["--trust"]):
        assert lfl_command("export", "moved", "--to", "torch", *flags)[0] == 0
        fixed = ["train", *SMALL, "--method", "fixed", "--loss-from", "moved", *flags]
        assert lfl_command(*fixed, "--out", f"fixed-{len(flags)}")[0] == 0
    lfl.load_loss("moved", loss=name)
    lfl.AdaptiveLoss("moved", trust=True)
