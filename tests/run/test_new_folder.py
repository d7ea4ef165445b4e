"""A run folder that an error leaves is removed, unless there is something in it to go on from or to look at."""

from pathlib import Path

import pytest

from lfl.errors import Diverged, Failure, LflError, UserError
from lfl.run.new_folder import new_folder, writing


def fail(out: Path, name: str, error: LflError) -> None:
    """Writes one file into a new run folder, and raises an error."""
    with new_folder(out, "run", ("result.json", "encoder.safetensors")) as folder:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
        raise error


@pytest.mark.parametrize("name", ["config.json", "checkpoints/other.txt"])
def test_an_error_without_a_checkpoint_leaves_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no$"):
        fail(tmp_path / "run", name, UserError("no"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["checkpoints/step-1.safetensors", "seed-0/result.json", "encoder.safetensors"])
def test_what_is_worth_more_than_an_error_stays_and_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no What was saved before is kept: lfl resume"):
        fail(tmp_path / "run", name, Failure("no"))
    with pytest.raises(Diverged, match="What was saved before is in"):
        fail(tmp_path / "other", name, Diverged("no"))
    assert (tmp_path / "run" / name).is_file()
    assert (tmp_path / "other" / name).is_file()


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with writing(tmp_path, "wait"), pytest.raises(UserError), writing(tmp_path, "wait"):
        pass
