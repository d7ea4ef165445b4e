"""Run folders and settings that are wrong in any way: a line, a status of 0, 1 or 2, and nothing else that happens.

Nothing may end in a traceback, or in the command's last net; nothing outside of the folder may change, nothing may be
left behind, no code may run, and memory stays within a limit of the system's own.
"""

import contextlib
import io
import json
import os
import resource
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from lfl_cli.app import main

import lfl
from lfl.run import execute, execute_seeds
from lfl.task import load_task
from lfl.training import Progress, Settings, resolve

from ..processes import start, status_of
from .mutants import BYTES, VALUES, mutate, restored

CASES = {"model": 350, "resume": 80, "seeds": 8, "report": 18, "loss": 1020, "again": 8, "toml": 30}
GIBIBYTE = 2**30
EVIL = "open('exploded', 'w').close()\n"
SMALL = {"model": "logistic", "steps": 3, "offline_steps": 2, "batch_size": 8, "checkpoint_every": 1}

pytestmark = pytest.mark.slow


def cases(name: str) -> Any:
    """So many, the same each time."""
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=CASES[name],
        deadline=None,
        derandomize="LFL_FUZZ" not in os.environ,
        database=None,
        phases=[Phase.generate],  # to shrink what fails would take minutes
        suppress_health_check=quiet,
    )


def test_there_are_fifteen_hundred() -> None:
    assert sum(CASES.values()) >= 1500


class Place(NamedTuple):
    """A working folder with runs in it.

    Args:
        here: the folder.
        kept: copies of the runs.
    """

    here: Path
    kept: Path

    def outside(self, *but: str) -> dict[str, bytes]:
        """What lies in the working folder, but for some names in it."""
        paths = (p for p in self.here.rglob("*") if p.relative_to(self.here).parts[0] not in but)
        return {str(p): p.read_bytes() if p.is_file() else b"" for p in paths}


def stop(progress: Progress) -> None:
    if (progress.phase.name, progress.step) == ("train", 2):
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A finished run, a stopped one and two stopped seeds on a tiny task, made here."""
    here, kept = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("kept")
    x = np.random.default_rng(0).normal(size=(60, 4))
    np.savez(here / "own.npz", x_train=x, y_train=np.where(x[:, 0] > 0, "a", "b"))
    np.savez(here / "x.npz", x=x)
    (here / "precious").mkdir()
    (here / "precious" / "letter").write_text("keep")
    (here / "evil.py").write_text(EVIL)
    before, fsync = Path.cwd(), os.fsync
    os.chdir(here)
    os.fsync = lambda descriptor: None  # the disk's own pace is not what is tested
    task = load_task("own.npz", here)
    asked = resolve(task.defaults, task="own.npz", method="adalfl+lr", momentum=0.5, **SMALL)
    execute(task, asked, Path("run"))
    rate_only = resolve(task.defaults, task="own.npz", method="meta-lr", momentum=0.5, **SMALL)  # draws no picture
    execute(task, rate_only, Path("stopped"), stop)
    execute_seeds(task, asked, [0, 1], Path("seeds"), stop)
    for name in ("run", "stopped", "seeds"):
        (here / name / "evil.py").write_text(EVIL)
        shutil.copytree(here / name, kept / name)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2 * GIBIBYTE, hard))
    yield Place(here, kept)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    os.chdir(before)
    os.fsync = fsync


def lfl_command(*arguments: str) -> tuple[int, str]:
    """Status and standard error of `lfl`, in this process."""
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["lfl", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main()
    except SystemExit as end:
        return int(end.code or 0), err.getvalue()
    finally:
        sys.argv = argv
    raise AssertionError("main returned")


def check(place: Place, call: Callable[[], tuple[int, str]], folder: str, *may: str) -> None:
    """Call a command on a damaged folder, and see that nothing else happens.

    Args:
        place: of the runs.
        call: the command; gives status and standard error.
        folder: the one that is damaged.
        may: names of what the command may make where it ends well.
    """
    outside = place.outside(folder)
    inside = names_in(place.here / folder)
    status, err = call()
    assert status in (0, 1, 2), err
    for words in ("Traceback", "unexpected", "code of yours", "Errno"):
        assert words not in err, err
    assert not err or err.splitlines()[-1].startswith("lfl: error: ") or status == 0, err
    assert err.count("\n") <= 12
    made = place.here / may[0] if may else None
    if made is not None and status == 0:
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    assert place.outside(folder) == outside
    assert not any("partial" in str(name) for name in names_in(place.here / folder))
    if status == 2:
        changed = sorted(path.name for path in names_in(place.here / folder) ^ inside)
        assert changed == [], err
    assert "evil" not in sys.modules


def ends_soon(config: Path) -> bool:
    """Whether settings ask for so few steps that one can wait for them; no settings ask for none."""
    plain = config.is_file() and not config.is_symlink() and config.stat().st_size < GIBIBYTE
    try:
        asked = json.loads(config.read_bytes() if plain else b"{}")
    except (ValueError, RecursionError):
        return True
    counts = ["steps", "offline_steps", "inner_steps", "horizon", "meta_every"]
    values = [asked.get(name) for name in counts] if isinstance(asked, dict) else []
    return not any(isinstance(value, int) and 20 < value < 2**63 for value in values)


def names_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@cases("model")
@given(data=st.data())
def test_a_damaged_run_is_measured_or_refused(place: Place, data: st.DataObject) -> None:
    restored(place.kept / "run", place.here / "run")
    mutate(place.here / "run", data.draw)
    if data.draw(st.booleans(), "eval"):
        check(place, lambda: lfl_command("eval", "run"), "run")
    else:
        check(place, lambda: lfl_command("predict", "run", "--input", "x.npz", "-o", "out.csv"), "run", "out.csv")


def resumed(place: Place, name: str, draw: Any) -> None:
    restored(place.kept / name, place.here / name)
    mutate(place.here / name, draw)
    assume(ends_soon(place.here / name / "config.json"))
    check(place, lambda: lfl_command("resume", name), name)


@cases("resume")
@given(data=st.data())
def test_a_damaged_run_is_resumed_or_refused(place: Place, data: st.DataObject) -> None:
    resumed(place, "stopped", data.draw)


@cases("seeds")
@given(data=st.data())
def test_damaged_seeds_are_resumed_or_refused(place: Place, data: st.DataObject) -> None:
    """Fewer: each that ends well draws the picture of its loss."""
    resumed(place, "seeds", data.draw)


@cases("report")
@given(data=st.data())
def test_a_damaged_run_is_reported_or_refused(place: Place, data: st.DataObject) -> None:
    restored(place.kept / "run", place.here / "run")
    mutate(place.here / "run", data.draw)
    if data.draw(st.integers(0, 9)):
        check(place, lambda: lfl_command("report", "run"), "run", "report.html")
    else:
        check(place, lambda: lfl_command("plot", "run"), "run", "plots")


@cases("loss")
@given(data=st.data())
def test_a_damaged_loss_is_handed_over_or_refused(place: Place, data: st.DataObject) -> None:
    restored(place.kept / "run", place.here / "run")
    mutate(place.here / "run", data.draw)

    def load() -> tuple[int, str]:
        try:
            lfl.load_loss("run")
            lfl.AdaptiveLoss("run")
        except lfl.UserError as error:
            return 2, f"lfl: error: {error}\n"
        return 0, ""

    check(place, load, "run")


@cases("again")
@given(data=st.data())
def test_damaged_settings_of_a_run_are_used_again_or_refused(place: Place, data: st.DataObject) -> None:
    """With few steps, whatever the settings ask for."""
    restored(place.kept / "run", place.here / "run")
    for name in names_in(place.here / "run"):
        if name.suffix == ".npz":
            name.unlink()
    mutate(place.here / "run", data.draw)
    arguments = ["train", "--config", "run/config.json", "--steps", "2", "--offline-steps", "0", "--out", "again"]
    check(place, lambda: lfl_command(*arguments, "--seeds", "1", "--compile", "off"), "run", "again")


NAMES = [*Settings.__dataclass_fields__, "device", "threads", "data_dir", "seeds", "inner-lr", "odd"]


def as_toml(value: Any) -> str:
    """A value as TOML has it, as far as it has."""
    if isinstance(value, (list, bool)) or value is None:
        return json.dumps(value).replace("null", "{}")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")


@cases("toml")
@given(data=st.data())
def test_odd_settings_are_used_or_refused(place: Place, data: st.DataObject) -> None:
    asked = data.draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=3))
    lines = "".join(f"{name} = {as_toml(value)}\n" for name, value in asked.items() if name not in ("steps", "compile"))
    content = lines.encode(errors="surrogatepass")
    if not data.draw(st.integers(0, 4)):
        content = data.draw(st.sampled_from([*BYTES, content + b"= 3", b"a = [" + b"[" * 5000]))
    (place.here / "my.toml").write_bytes(content)
    few = ["--task", "own.npz", "--model", "logistic", "--steps", "2", "--offline-steps", "0", "--seeds", "1"]
    restored(place.kept / "run", place.here / "run")
    check(
        place, lambda: lfl_command("train", "--config", "my.toml", *few, "--compile", "off", "--out", "b"), "run", "b"
    )


def test_processes_of_their_own_end_so_too(place: Place, tmp_path: Path) -> None:
    """A few by the shell's way, with the files that did the most harm."""
    spoiled = {
        "config.json": b"[" * 100_000,
        "encoding.json": b"\x80\x04cos\nsystem\n(S'touch exploded'\ntR.",
        "theta.safetensors": (1 << 62).to_bytes(8, "little") + b"{}",
    }
    for name, content in spoiled.items():
        restored(place.kept / "run", place.here / "run")
        (place.here / "run" / name).write_bytes(content)
        said = tmp_path / name
        program = "import sys\nfrom lfl_cli.app import main\nos.chdir(here)\nsys.argv = ['lfl', 'eval', 'run']\nmain()"
        assert status_of(start(program, stderr=said, here=str(place.here))) == 2
        assert said.read_text().startswith("lfl: error: ")
        assert said.read_text().count("\n") == 1
    assert not (place.here / "exploded").exists()
