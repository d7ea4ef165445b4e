#!/usr/bin/env python3
"""Tests the built distributions as a stranger has them: `python -m build && .ci/smoke.py`.

It looks into `dist/`, installs the wheel in a fresh environment, and runs every command of `lfl` from an empty folder
outside of the checkout. `--here` installs it, without its dependencies, where this Python is. It needs the standard
library alone.
"""

import argparse
import csv
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LARGEST_SDIST = 1_000_000
SMALL = "--model logistic --steps 10 --offline-steps 2 --compile off"
SEARCH = (
    "--model logistic --steps 10 --compile off --population 4 --generations 2 --fitness-steps 5 --local-steps 2 "
    "--rejection off --finalists 1 --finalist-seeds 1 --finalist-steps 5 --minutes 0.2 --guess 'abs(log(y*f))'"
)

LIBRARY = f"""
import lfl, pathlib, torch
assert lfl.__version__ == {VERSION!r}, lfl.__version__
assert not pathlib.Path(lfl.__file__).is_relative_to({str(ROOT)!r}), lfl.__file__
assert (pathlib.Path(lfl.__file__).parent / "py.typed").is_file()
missing = [name for name in lfl.__all__ if not hasattr(lfl, name)]
assert not missing, missing
run = lfl.load_run("run")
assert 0 <= run.result.test_error <= 1
assert run.loss()(torch.randn(8, 10), torch.arange(8)).shape == ()
assert lfl.load_loss("robust-classification")(torch.randn(8, 10), torch.arange(8)).shape == ()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", nargs="?", type=Path, default=ROOT / "dist", help="folder of the wheel and the sdist")
    parser.add_argument("--here", action="store_true", help="install the wheel where this Python is")
    given = parser.parse_args()
    wheel, sdist = distributions(given.dist)
    check_wheel(wheel)
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as scratch:
        python = Path(sys.executable)
        if given.here:
            install(python, "--force-reinstall", "--no-deps", wheel)
        else:
            venv.create(Path(scratch) / "venv", with_pip=True)
            python = Path(scratch) / "venv" / "bin" / "python"
            install(python, wheel)
        folder = Path(scratch) / "empty"
        folder.mkdir()
        began = time.perf_counter()
        Installed(python, folder).check()
        print(f"every command of lfl {VERSION} runs from {wheel.name} ({time.perf_counter() - began:.0f} s)")


def distributions(dist: Path) -> tuple[Path, Path]:
    """Returns the wheel and the source distribution of this version, which must be the only ones."""
    found = sorted(path.name for path in dist.glob("*"))
    wanted = [f"lfl-{VERSION}-py3-none-any.whl", f"lfl-{VERSION}.tar.gz"]
    assert found == wanted, f"{dist} has {found}, wanted {wanted}; remove it and call python -m build"
    return dist / wanted[0], dist / wanted[1]


def check_wheel(wheel: Path) -> None:
    """Every file of the two packages is in the wheel, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.startswith(f"lfl-{VERSION}.dist-info/")}
    same(inside, {name.replace("cli/", "lfl_cli/", 1) if name.startswith("cli/") else name for name in sources()})


def check_sdist(sdist: Path) -> None:
    """The source distribution has the packages and what describes them; no pages, pictures, results or tests."""
    assert sdist.stat().st_size < LARGEST_SDIST, f"{sdist} has {sdist.stat().st_size} bytes"
    with tarfile.open(sdist) as archive:
        inside = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in inside if name.startswith("lfl.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    beside = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"}
    same(inside - made, sources() | beside)


def sources() -> set[str]:
    paths = (path for top in ("lfl", "cli") for path in (ROOT / top).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in paths if "__pycache__" not in path.parts}


def same(inside: set[str], wanted: set[str]) -> None:
    assert inside == wanted, f"missing: {sorted(wanted - inside)}; too many: {sorted(inside - wanted)}"


def install(python: Path, *what: str | Path) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what], check=True)


class Installed:
    """The installed command, called in a folder."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder = python, folder
        self.lfl = str(python.with_name("lfl"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LFL_", "PYTHON"))}
        self.environment = kept | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
        self.environment |= {"XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "120"}
        self.called: set[str] = set()

    def check(self) -> None:
        assert self("--version") == f"lfl {VERSION}\n"
        assert self.run([str(self.python), "-m", "lfl", "--version"]) == f"lfl {VERSION}\n"
        commands = set(re.findall(r"^│ (\w+) ", self("--help").partition("Commands")[2], re.M))
        (self.folder / "table.csv").write_text(table())
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda part: part(), [self.one_run, self.several, self.others]))
        assert self.called >= commands > {"train", "evolve"}, f"not called: {sorted(commands - self.called)}"

    def one_run(self) -> None:
        assert "test error" in self(f"train {SMALL} --out run", makes=["run/result.json", "run/losses.png"])
        assert "test error" in self("eval run")
        assert "in suspects.csv" in self("suspects run", makes=["suspects.csv", "suspects.png"])
        self("plot run", makes=["plots/learning.png", "plots/rates.svg"])
        self("export run --to torch", makes=["run/loss.pt2"])
        self.run([str(self.python), "-c", LIBRARY])

    def several(self) -> None:
        self(f"evolve {SEARCH} --out search", makes=["search/front.csv"])
        assert "log" in self("export search --to latex", makes=["search/loss.tex"])
        assert "test mean squared error" in self(
            "train --task sinusoid --method maml --steps 5 --meta-batch 2 --compile off --out few",
            makes=["few/episodes.json"],
        )
        assert "600 episodes of test" in self("eval few")
        self(f"compare {SMALL} --methods baseline,residual --seeds 2 --out both", makes=["both/comparison.csv"])
        self("report both/digits-logistic-residual search few", makes=["report.html"])

    def others(self) -> None:
        assert "adalfl" in self("list")
        self(f"train --task table.csv --target label {SMALL} --method residual --out own")
        self("predict own --input table.csv -o said.csv", makes=["said.csv"])
        with (self.folder / "said.csv").open() as file:
            assert len(list(csv.DictReader(file))) == 120
        self("train --task nothing.csv --target label", status=2)
        row = "table1 --rows digits/logistic --methods baseline --seeds 1 --steps 5 --compile off"
        assert "digits/logistic baseline" in self(f"reproduce {row} --csv t.csv", makes=["t.csv"])
        self.stop(f"train {SMALL} --method residual --out stopped --steps 400 --checkpoint-every 10", "stopped")
        assert "test error" in self("resume stopped", makes=["stopped/result.json"])

    def stop(self, line: str, run: str) -> None:
        """Calls `lfl` and interrupts it at its first checkpoint."""
        process = subprocess.Popen(
            [self.lfl, *shlex.split(line)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not list((self.folder / run).glob("checkpoints/*")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130, f"lfl {line} ended before it could be stopped"

    def __call__(self, line: str, status: int = 0, makes: Sequence[str] = ()) -> str:
        """Calls `lfl` and returns what it prints."""
        self.called.add(line.partition(" ")[0])
        printed = self.run([self.lfl, *shlex.split(line)], status)
        for name in makes:
            assert (self.folder / name).stat().st_size > 0, f"lfl {line} made no {name}"
        return printed

    def run(self, command: list[str], status: int = 0) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        said = f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == status, said
        assert "Traceback" not in done.stderr, said
        return done.stdout


def table() -> str:
    """Two classes in a table of 120 rows."""
    rows = [f"{math.sin(i):.4f},{math.cos(3 * i):.4f},{'high' if math.sin(i) > 0 else 'low'}" for i in range(120)]
    return "\n".join(["left,right,label", *rows]) + "\n"


if __name__ == "__main__":
    main()
