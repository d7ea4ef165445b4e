"""docs/distributed.md holds: its script runs under torchrun, with the results of one process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "distributed.md").read_text()
(SCRIPT,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(LEARNER,) = re.findall(r"```python learner\n(.*?)```", PAGE, re.S)
TORCHRUN = ["-m", "torch.distributed.run", "--nnodes=1", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]


def printed(script: Path, processes: int) -> str:
    command = [sys.executable, *TORCHRUN, "--local-addr=127.0.0.1", f"--nproc-per-node={processes}", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=script.parent, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_the_script_learns_the_same_on_one_rank_and_on_two(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    alone, together = (printed(script, processes) for processes in (1, 2))
    assert alone == together
    assert float(together.split()[-1]) < 0.15


@pytest.mark.slow
def test_the_learner_learns_on_two_ranks(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(LEARNER)
    assert float(printed(script, 2).split()[-1]) < 0.5
    assert (tmp_path / "module.pt").is_file()
