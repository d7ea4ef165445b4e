"""`import lfl` and its steps need torch, numpy and safetensors alone; a missing package is named with its command."""

import subprocess
import sys
import textwrap

import pytest

ALONE = """
import sys

OURS = {"msgspec", "typer", "rich", "sklearn", "scipy", "torchvision", "PIL", "matplotlib", "joblib", "tensorboard"}
for name in OURS:
    sys.modules[name] = None
import lfl
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE + textwrap.dedent(code)], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_steps_and_losses_need_three_packages() -> None:
    done = run(
        """
        from functools import partial
        import torch
        theta, buffers, apply_fn = lfl.functional(torch.nn.Linear(3, 2))
        batch = torch.ones(8, 3), torch.zeros(8, dtype=torch.long)
        for draw in (lfl.loss_network, lfl.residual_loss, partial(lfl.taylor_loss, order=2)):
            phi, loss_fn = draw("classification", generator=torch.Generator().manual_seed(0))
            lfl.meta_step(theta, phi, batch, batch, apply_fn=apply_fn, loss_fn=loss_fn, task_loss=lfl.cross_entropy,
                          inner=lfl.sgd(0.1), outer=lfl.adam(1e-3))
        print("learned")
        """
    )
    assert (done.stdout, done.stderr) == ("learned\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package", "install"),
    [("task_from_arrays", "msgspec", "msgspec"), ("sklearn", "sklearn", "scikit-learn")],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(name: str, package: str, install: str) -> None:
    done = run(
        f"""
        try:
            lfl.{name}
        except lfl.MissingPackage as error:
            print(error)
        """
    )
    words = f"lfl.{name} needs the package {package}, which is not installed; pip install {install}."
    assert (done.stdout.strip(), done.stderr) == (words, "")


@pytest.mark.slow
def test_the_command_line_names_it_too() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; sys.argv = ['lfl', 'plot', 'nowhere']; "
    done = subprocess.run(
        [sys.executable, "-c", code + "from lfl_cli.app import main; main()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "lfl: error: this command needs the package matplotlib, which is not installed; pip install matplotlib.\n"
    )
