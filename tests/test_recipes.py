"""Each recipe of docs/recipes.md runs as it stands, after the data that all of them use."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lfl

PAGE = (Path(__file__).parent.parent / "docs" / "recipes.md").read_text()
BLOCKS = dict(re.findall(r"```python ([\w-]+)\n(.*?)```", PAGE, re.S))
DATA = BLOCKS.pop("data")
NEEDS = {
    "lightning": "pytorch_lightning",
    "lightning-schedule": "pytorch_lightning",
    "transformers": "transformers",
    "timm": "timm",
    "skorch": "skorch",
    "grid-search": "sklearn",
    "optuna": "optuna",
    "distributed": "torch",
}
"""The package of each recipe."""

OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def my_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    lfl.train("digits", "mlp-100", "adalfl", out=folder / "my-run", steps=60, device="cpu")
    return folder


def test_every_recipe_is_known() -> None:
    assert set(BLOCKS) == set(NEEDS)
    assert all(len(code.splitlines()) < 40 for code in BLOCKS.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", BLOCKS)
def test_a_recipe_runs(name: str, my_run: Path) -> None:
    if find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed: pip install 'lfl[integrations]'")
    script = my_run / f"{name.replace('-', '_')}_recipe.py"
    script.write_text(DATA + BLOCKS[name])
    command = [sys.executable, str(script)]
    if name == "distributed":
        run = ["-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2", "--rdzv-backend=c10d"]
        command = [sys.executable, *run, "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", str(script)]
    done = subprocess.run(
        command, cwd=my_run, env=os.environ | OFFLINE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
