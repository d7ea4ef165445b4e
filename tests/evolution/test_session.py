"""A search in its folder: killed and resumed it is the same to the byte, with one process or several."""

import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import lfl
from lfl.errors import UserError
from lfl.evolution.folder import read_search
from lfl.run.searched import CANDIDATES, FINALISTS, FRONT, read_candidates

from ..cli.commands import COMMAND, begin
from ..processes import wait_until

SMALL = {
    **{"population": 5, "generations": 4, "local_steps": 2, "fitness_steps": 5, "rejection": "off"},
    **{"finalists": 2, "finalist_seeds": 2, "finalist_steps": 5, "steps": 5},
    **{"evaluator": "closures"},
}
FLAGS = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
SAME = (CANDIDATES, FRONT, FINALISTS, "metrics.jsonl", "result.json", "phi.safetensors", "theta.safetensors")

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SAME}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing interrupted."""
    out = tmp_path_factory.mktemp("searches") / "whole"
    status, _, error = begin(out, "evolve", "--model", "logistic", "--device", "cpu", *FLAGS, "--out", str(out)).wait()
    assert (status, error) == (0, "")
    return out


def lines(folder: Path) -> int:
    path = folder / CANDIDATES
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def more_than(folder: Path, number: int) -> Callable[[], bool]:
    return lambda: lines(folder) >= number


@pytest.mark.parametrize("seed", [0])
def test_killed_and_resumed_it_is_the_same_to_the_byte(whole: Path, tmp_path: Path, seed: int) -> None:
    out, rng = tmp_path / "killed", random.Random(seed)
    command = begin(out, "evolve", "--model", "logistic", "--device", "cpu", *FLAGS, "--out", str(out))
    for number in sorted(rng.sample(range(1, 20), 3)):
        wait_until(more_than(out, number), command.process)
        time.sleep(rng.random() / 20)
        command.process.kill()
        command.process.join()
        command = begin(out, "resume", str(out))
    assert command.wait()[0] == 0
    assert contents(out) == contents(whole)


def test_candidates_in_lanes_are_continued_to_the_byte(whole: Path, tmp_path: Path) -> None:
    noted = json.loads((whole / "evolution.json").read_text()) | {"over": None}
    noted["evolution"] |= {"evaluator": "lanes", "num_lanes": 2}
    for name in ("through", "cut"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evolution.json").write_text(json.dumps(noted))
    assert begin(tmp_path / "through", "resume", str(tmp_path / "through")).wait()[0] == 0
    content = (tmp_path / "through" / CANDIDATES).read_bytes()
    (tmp_path / "cut" / CANDIDATES).write_bytes(b"".join(content.splitlines(keepends=True)[:7]))
    assert begin(tmp_path / "cut", "resume", str(tmp_path / "cut")).wait()[0] == 0
    assert contents(tmp_path / "cut") == contents(tmp_path / "through")
    texts = [[line.tree for line in read_candidates(folder)] for folder in (whole, tmp_path / "cut")]
    assert texts[0][:5] == texts[1][:5]


def test_a_line_that_was_cut_short_is_evaluated_again(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "cut"
    out.mkdir()
    noted = json.loads((whole / "evolution.json").read_text()) | {"over": None}
    (out / "evolution.json").write_text(json.dumps(noted))
    content = (whole / CANDIDATES).read_bytes()
    (out / CANDIDATES).write_bytes(content[: len(content) // 2])
    assert begin(out, "resume", str(out)).wait()[0] == 0
    assert contents(out) == contents(whole)


def test_a_signal_leaves_what_was_found_and_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    command = begin(out, "evolve", "--model", "logistic", "--device", "cpu", *FLAGS, "--out", str(out))
    wait_until(more_than(out, 3), command.process)
    command.process.terminate()
    status, _, error = command.wait()
    assert status == 128 + signal.SIGTERM
    assert f"candidates; lfl resume {out} continues." in error
    with pytest.raises(UserError, match="is a search for a loss that has not trained a model yet; finish it with lfl"):
        lfl.load_run(out)
    with pytest.raises(UserError, match="is a search for a loss that has not trained"):
        lfl.load_loss(out)
    assert begin(out, "resume", str(out)).wait()[0] == 0
    assert contents(out) == contents(whole)


def test_two_processes_find_the_same(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    words = ["evolve", "--model", "logistic", "--device", "cpu", *FLAGS, "--jobs", "2", "--out", str(out)]
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(out) == contents(whole)


def test_what_was_found_is_a_run_like_any_other(whole: Path) -> None:
    run = lfl.load_run(whole)
    assert run.settings.method == "fixed"
    assert run.settings.seed == 1000
    formulas = [json.loads(line)["formula"] for line in (whole / FINALISTS).read_text().splitlines()]
    assert run.settings.loss in formulas
    fixed = lfl.train(
        "digits", "logistic", "fixed", loss_from=whole, out=whole / "again", steps=5, device="cpu", seed=1000
    )
    assert (fixed.result.test_error, fixed.settings.loss) == (run.result.test_error, run.settings.loss)
    shutil.rmtree(whole / "again")


@pytest.mark.parametrize("method", ["gp-lfl", "taylorglo"])
def test_the_other_methods_end_with_a_formula(method: str, tmp_path: Path) -> None:
    few = SMALL | {"local_steps": 0, "generations": 3}
    run = lfl.evolve("digits", "logistic", method, out=tmp_path / "run", device="cpu", **few)
    assert run.result is not None
    assert run.result.completed
    found = read_candidates(tmp_path / "run")
    assert len(found) == 15
    numbers = {weight for each in found for weight in each.weights or []}
    assert (numbers == {1.0}) == (method == "gp-lfl")


def test_a_complete_one_has_nothing_to_resume(whole: Path) -> None:
    status, _, error = begin(whole, "resume", str(whole)).wait()
    assert (status, error) == (2, f"lfl: error: {whole} is complete; there is nothing to resume.\n")


def test_minutes_end_a_search_wherever_it_is(tmp_path: Path) -> None:
    out = tmp_path / "short"
    command = begin(
        out, "evolve", "--model", "logistic", *FLAGS, "--generations", "1000", "--minutes", "0.02", "--out", str(out)
    )
    status, shown, error = command.wait()
    assert (status, error) == (0, "")
    assert "0.02 minutes at most" in shown
    assert read_search(out).noted.over == ("minutes", lines(out))
    assert 0 < lines(out) < 5000
    assert lfl.load_run(out).result.completed


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (CANDIDATES, b'"slot": 2,', b'"slot": 3,', "is not the candidate that the search has"),
        (CANDIDATES, b'"verdict": "rejected"', b'"verdict": "accepted"', "is damaged"),
        (CANDIDATES, b'"tree": [', b'"tree": [7, ', "is damaged"),
        (CANDIDATES, b'"fitness"', b"fitness", "is not JSON"),
        ("evolution.json", b'"population": 5', b'"population": 0', "--population must be"),
        ("evolution.json", b'"sigma"', b'"stigma"', "is of another version of lfl"),
    ],
)
def test_a_damaged_file_is_named(whole: Path, tmp_path: Path, name: str, old: bytes, new: bytes, words: str) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    path = tmp_path / "copy" / name
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    status, _, error = begin(tmp_path / "copy", "resume", str(tmp_path / "copy")).wait()
    assert status == 2
    assert words in error
    assert name in error
