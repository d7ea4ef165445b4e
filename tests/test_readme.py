"""The README holds: its tables are those of the committed results, its Python runs, its files and flags exist."""

import re
from pathlib import Path

import pytest

from .cli.commands import forked
from .processes import SILENT, start, status_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


PROGRAM = """
import runpy
sys.path.insert(0, os.path.dirname(script))
sys.argv = [script, flag]
runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "script", "flag"),
    [
        ("README.md", "value_tables.py", "--summary"),
        ("docs/reproduction.md", "table1.py", "--table"),
        ("docs/cost.md", "step_cost.py", "--summary"),
        ("docs/reproduction.md", "table1.py", "--regression"),
        ("docs/reproduction.md", "ablations.py", "--table"),
        ("docs/reproduction.md", "loss_choices.py", "--table"),
        ("docs/reproduction.md", "splits.py", "--table"),
        ("docs/reproduction.md", "batch_norm.py", "--table"),
        ("docs/cost.md", "step_cost.py", "--tables"),
        ("docs/cost.md", "gradient_error.py", "--table"),
        ("docs/cost.md", "scaling.py", "--tables"),
        ("docs/cost.md", "cheaper.py", "--table"),
        ("docs/cost.md", "recomputation.py", "--table"),
        ("docs/cost.md", "stored_precision.py", "--table"),
        ("docs/cost.md", "augmentation.py", "--table"),
        ("docs/cost.md", "label_smoothing.py", "--table"),
        ("docs/models.md", "zoo.py", "--summary"),
        ("docs/own-loss.md", "many_classes.py", "--table"),
        ("docs/evolution.md", "evolution.py", "tables"),
        ("docs/fewshot.md", "omniglot.py", "--table"),
        ("docs/ablations.md", "activations.py", "--table"),
        ("docs/ablations.md", "online_offline.py", "--table"),
        ("docs/ablations.md", "transfer.py", "--table"),
        ("docs/language.md", "language.py", "--table"),
        ("docs/language.md", "language.py", "--step-table"),
        ("docs/learner.md", "learner_overhead.py", "--table"),
        ("docs/metrics.md", "objectives.py", "--table"),
        ("docs/bilevel.md", "fewshot_step.py", "--table"),
        ("docs/npbml.md", "npbml.py", "--table"),
        ("docs/bilevel.md", "sinusoid.py", "--table"),
        ("docs/sharing.md", "shared_losses.py", "--table"),
        ("docs/suspects.md", "suspects.py", "--table"),
        ("docs/suspects.md", "suspects.py", "--scores"),
        ("docs/targets.md", "num_outputs.py", "--table"),
        ("docs/distributed.md", "ranks.py", "--tables"),
        ("docs/value.md", "value_tables.py", "--table"),
        ("docs/value.md", "value_tables.py", "--times"),
        ("docs/value.md", "value_tables.py", "--clean"),
    ],
)
def test_tables_are_generated_from_the_committed_results(page: str, script: str, flag: str, tmp_path: Path) -> None:
    said = tmp_path / "said"
    assert status_of(start(PROGRAM, stdout=said, script=str(ROOT / "benchmarks" / script), flag=flag)) == 0
    printed = said.read_text()
    text = (ROOT / page).read_text()
    mark = f"{script} {flag}" if f"<!-- {script} {flag} -->" in text else script
    shown = re.search(rf"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", text, re.S)
    assert shown is not None
    assert shown[1].strip() == printed.strip()


@pytest.mark.slow
def test_the_example_of_a_loop_runs_and_learns(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.S)
    (example,) = (text for text in examples if "lfl.meta_step" in text)
    assert len(example.splitlines()) < 25
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(compile(example, "python.md", "exec"), {})
    loss = float(re.search(r"validation loss ([\d.]+)", capsys.readouterr().out)[1])
    x = torch.randn(1000, 20, generator=torch.Generator().manual_seed(0))
    variance = float(((x[:, :3] ** 2).sum(1).clamp(max=5.0) / 5.0).var())
    assert loss < 0.5 * variance


@pytest.mark.slow
def test_the_loss_of_your_own_runs_and_learns(capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "own-loss.md").read_text(), re.S)
    assert example is not None
    exec(compile(example[1], "own-loss.md", "exec"), {})
    printed = capsys.readouterr().out
    assert float(printed.split()[-1]) < 0.8  # of log 3 = 1.1 at the start
    assert "'scale': 1.0," not in printed


@pytest.mark.slow
def test_the_example_of_wrong_labels_runs_and_pays(capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "value.md").read_text(), re.S)
    assert example is not None
    assert len(example[1].splitlines()) < 30
    exec(compile(example[1], "value.md", "exec"), {})
    baseline, residual = (float(line.split()[-1]) for line in capsys.readouterr().out.splitlines())
    assert residual < 2 / 3 * baseline


@pytest.mark.slow
def test_the_optimiser_of_your_own_runs_learns_and_passes_its_own_checks(capsys: pytest.CaptureFixture[str]) -> None:
    """The page's second example holds it against `torch.optim.RMSprop` and finite differences."""
    import torch

    example, check = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own-optimiser.md").read_text(), re.S)
    names: dict[str, object] = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(compile(example, "own-optimiser.md", "exec"), names)
    assert float(capsys.readouterr().out) < 0.8  # of log 3 = 1.1 at the start
    exec(compile(check, "own-optimiser.md", "exec"), names)


def test_files_and_folders_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:benchmarks|docs)/[\w./-]+)`|\]\((docs/[\w./-]+)\)", README)
    assert named
    for pair in named:
        assert (ROOT / "".join(pair)).exists(), pair


def test_it_is_short() -> None:
    assert len(README.split()) <= 900


@pytest.mark.slow
def test_commands_are_those_of_the_command_line(tmp_path: Path) -> None:
    text = README + (ROOT / "docs" / "commands.md").read_text()
    lines = [line.split("#")[0].split() for line in text.splitlines() if line.startswith("lfl ")]
    commands = {words[1] for words in lines if not words[1].startswith("-")}
    assert {"train", "resume", "report", "compare"} <= commands
    for command in commands:
        said = tmp_path / command
        assert status_of(forked([command, "--help"], said, SILENT, COLUMNS="200")) == 0
        text = said.read_text()
        for words in lines:
            for flag in [word for word in words if words[1] == command and re.fullmatch(r"--?[a-z-]+", word)]:
                assert flag in text or flag == "--help", (command, flag)
