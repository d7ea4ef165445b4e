"""The results of a study: the outcome of each seed, the summary of a line, and paired statistics."""

import json
import math
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

from ..boundary import read_json
from ..errors import Diverged, UserError
from ..report.statistics import Spread, spread
from ..run.folder import check_plain, write_json
from ..run.schema import Divergence, Origin, last_seconds, read_ended, read_known
from ..version import VERSION
from .experiment import Experiment, Line

ORIGIN = "origin.json"
"""In a run folder of a study: the commit of the source, and how many seeds trained as one program."""

PACKAGE = Path(__file__).parent.parent

_WITHOUT_EFFECT = {"seed", "checkpoint_every", "log"}
"""Settings in which runs of an experiment may differ."""


class Outcome(NamedTuple):
    """The outcome of a seed.

    Args:
        seed: which.
        test_error, valid_error: NaN where it diverged.
        seconds: of its training; its share where seeds trained as one program; NaN where it diverged.
        commit: of the source that made the run.
        diverged: which number was not finite, and at which step; None where it did not diverge.
    """

    seed: int
    test_error: float
    valid_error: float
    seconds: float
    commit: str
    diverged: str | None = None


class Paired(NamedTuple):
    """Differences by seed, and Student's t test of whether their mean is zero.

    Args:
        n: seeds that both have.
        mean, std: of the differences; no deviation of one.
        t, p: of the two-sided test; None for fewer than two seeds, or where all differences are the same.
    """

    n: int
    mean: float
    std: float | None
    t: float | None
    p: float | None


class Summary(NamedTuple):
    """The outcomes behind a line.

    Args:
        line: which.
        experiment: whose test error is reported; of several candidates the one of least mean validation error.
        outcomes: of its seeds, in their order.
        seconds: of each seed, the search among candidates included; a run that diverged is not counted, and a seed
            that diverged with every candidate is left out.
    """

    line: Line
    experiment: Experiment
    outcomes: list[Outcome]
    seconds: list[float]

    @property
    def test(self) -> dict[int, float]:
        """Test error by seed; NaN where it diverged."""
        return {outcome.seed: outcome.test_error for outcome in self.outcomes}

    @property
    def error(self) -> Spread:
        """Mean and standard deviation of the test error over the seeds."""
        return spread(list(self.test.values()))

    @property
    def diverged(self) -> list[Outcome]:
        """The seeds that diverged."""
        return [outcome for outcome in self.outcomes if outcome.diverged is not None]

    @property
    def commit(self) -> str:
        """Of the source; several, where seeds were made by several."""
        return _joined(*(outcome.commit for outcome in self.outcomes))

    def minus(self, other: "Summary | None") -> Paired | None:
        """Differences of the test error to another line's, by seed; None without another line."""
        return None if other is None else paired(self.test, other.test)


def read_outcome(experiment: Experiment, seed: int) -> Outcome | None:
    """Reads what a study's folder holds of a seed; None where its run is not complete.

    Raises:
        UserError: it was made with other settings, or its files are corrupt.
    """
    diverged = experiment.divergence(seed)
    if diverged.is_file():
        found = read_json(diverged, Divergence)
        check_settings(experiment, found.settings, diverged)
        return Outcome(seed, math.nan, math.nan, math.nan, found.commit, found.reason)
    folder = experiment.run(seed)
    check_plain(experiment.folder)
    try:
        ended = read_ended(folder)
        if ended is None or not ended.completed:
            return None
        config, origin = read_known(folder / "config.json"), _read_origin(folder)
        seconds = last_seconds(folder) / origin.seeds
    except UserError as error:
        raise UserError(f"{error} Remove {folder}, and it will be run again.") from error
    check_settings(experiment, config, folder)
    commit = origin.commit or config.get("versions", {}).get("lfl", "")
    return Outcome(seed, ended.test_error, ended.valid_error, seconds, commit)


def missing(experiment: Experiment, seeds: Sequence[int]) -> list[int]:
    """Returns the seeds of an experiment that are not complete.

    Raises:
        UserError: as `read_outcome`.
    """
    return [seed for seed in seeds if read_outcome(experiment, seed) is None]


def is_complete(folder: Path) -> bool:
    """Whether a run folder is that of a run that trained to its end."""
    ended = read_ended(folder)
    return ended is not None and ended.completed


def write_divergence(experiment: Experiment, seed: int, error: Diverged) -> None:
    """Writes down that a seed diverged, so that it is not run again."""
    found = {"settings": asdict(experiment.settings) | {"seed": seed}, "reason": str(error), "commit": source()}
    write_json(experiment.divergence(seed), found)


def write_origin(folder: Path, num_seeds: int) -> None:
    """Writes which source makes a run; where it is resumed, also which made it before."""
    before = [_read_origin(folder).commit] if (folder / ORIGIN).is_file() else []
    write_json(folder / ORIGIN, {"commit": _joined(*before, source()), "seeds": num_seeds})


def check_settings(experiment: Experiment, found: Mapping[str, Any], where: Path) -> None:
    """Refuses to mix runs of different settings. A setting that an older run does not state had its default.

    Raises:
        UserError: `found`, the settings at `where`, are not the experiment's.
    """
    plain = asdict(experiment.plain)
    for name, wanted in asdict(experiment.settings).items():
        was = found.get(name, plain[name])
        if name not in _WITHOUT_EFFECT and was != wanted:
            raise UserError(
                f"{where} was made with {name} {was}, but {wanted} is asked for now; choose another --out, or the "
                "same settings."
            )


def summarise(line: Line, experiments: Sequence[Experiment], seeds: Sequence[int]) -> Summary | None:
    """Sums up a line; None where a seed of a candidate is not complete.

    Args:
        line: which.
        experiments: of its candidates, in their order.
        seeds: those that count.
    """
    found = [[read_outcome(experiment, seed) for seed in seeds] for experiment in experiments]
    whole = [[outcome for outcome in each if outcome is not None] for each in found]
    if any(len(outcomes) < len(seeds) for outcomes in whole):
        return None
    valid = [spread([outcome.valid_error for outcome in outcomes]).mean for outcomes in whole]
    best = min(range(len(experiments)), key=lambda i: (math.isnan(valid[i]), valid[i]))
    times = [
        [outcome.seconds for outcome in of_seed if outcome.diverged is None] for of_seed in zip(*whole, strict=True)
    ]
    return Summary(line, experiments[best], whole[best], [sum(seconds) for seconds in times if seconds])


def paired(values: Mapping[int, float], others: Mapping[int, float]) -> Paired | None:
    """Differences of values to others, by the seeds that both have; None where there are none, or a value is NaN."""
    seeds = sorted(values.keys() & others.keys())
    differences = [values[seed] - others[seed] for seed in seeds]
    if not differences or any(math.isnan(d) for d in differences):
        return None
    mean, std = spread(differences)
    if len(seeds) < 2 or math.isclose(max(differences), min(differences), rel_tol=1e-9, abs_tol=1e-15):
        return Paired(len(seeds), mean, std, None, None)
    from scipy.stats import ttest_rel  # a slow import

    test = ttest_rel([values[seed] for seed in seeds], [others[seed] for seed in seeds])
    return Paired(len(seeds), mean, std, float(test.statistic), float(test.pvalue))


def deviations_off(mean: float, published: Spread | None) -> float | None:
    """How far a mean lies above the paper's, in the paper's standard deviations; None where the paper has none."""
    if published is None or not published.std or math.isnan(mean):
        return None
    return (mean - published.mean) / published.std


def ratio(seconds: Sequence[float], others: Sequence[float]) -> float | None:
    """Mean time over mean time; None where a time is not known."""
    if not seconds or not others:
        return None
    found = statistics.fmean(seconds) / statistics.fmean(others)
    return None if math.isnan(found) else found


@cache
def source() -> str:
    """The git commit of the source, with `-dirty` where it was changed; the version where no commit is known."""
    return _commit_of_checkout(PACKAGE) or _commit_of_installation() or VERSION


def _read_origin(folder: Path) -> Origin:
    return read_json(folder / ORIGIN, Origin) if (folder / ORIGIN).is_file() else Origin()


def _joined(*commits: str) -> str:
    """Joins commits as `a+b`, each once; the given ones may be joined already."""
    return "+".join(dict.fromkeys(part for commit in commits for part in commit.split("+")))


def _commit_of_checkout(package: Path) -> str | None:
    """The commit of the repository that tracks the package, not of one that an installation only lies in."""
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    return _git(package, "describe", "--always", "--dirty", "--exclude=*") if tracked else None


def _commit_of_installation() -> str | None:
    """The commit that pip installed from, where it did."""
    try:
        origin = json.loads(distribution("lfl").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    commit = origin.get("vcs_info", {}).get("commit_id")
    return None if commit is None else str(commit)[:7]


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return done.stdout.strip() if done.returncode == 0 else None
