"""The same seeds give the same numbers: `metrics.jsonl` and tensors as in `digests.json`, byte for byte.

Rounding differs between processors and versions of torch, so that the digests hold for the machine that recorded them;
elsewhere the test is skipped, with the reason. To record them anew, after a change that is meant to change numbers:

    LFL_RECORD_DIGESTS=1 pytest -n 0 tests/cli/test_digests.py

and say in the commit why they changed.
"""

import hashlib
import json
import os
import platform
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

RECORDED = Path(__file__).with_name("digests.json")
RECORD = "LFL_RECORD_DIGESTS"
METHODS = ["baseline", "ml3", "meta-lr", "adalfl", "residual"]
SHORT = ["--steps", "24", "--offline-steps", "6", "--batch-size", "16", "--model", "mlp-30", "--compile", "off"]


def machine() -> dict[str, str]:
    """What rounding depends on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "torch": torch.__version__,
        "processor": processor or platform.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the metrics, and of the names and values of every tensor of a run."""
    found = {"metrics.jsonl": hashlib.sha256((folder / "metrics.jsonl").read_bytes()).hexdigest()}
    for path in sorted(folder.glob("*.safetensors")):
        digest = hashlib.sha256()
        for name, tensor in sorted(load_file(path).items()):
            digest.update(f"{name} {list(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        found[path.name] = digest.hexdigest()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("task", ["digits", "diabetes"])
def test_the_same_seed_gives_the_same_bytes(task: str, method: str, lfl_command) -> None:
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    recording = os.environ.get(RECORD) == "1"
    if not recording and recorded["machine"] != machine():
        pytest.skip(f"digests were recorded on {recorded['machine']}, and this is {machine()}; {RECORD}=1 records anew")
    name = f"{task}/{method}"
    status, _, err = lfl_command("train", "--task", task, "--method", method, *SHORT, "--seed", "3", "--out", "run")
    assert (status, err) == (0, "")
    found = digests_of(Path("run"))
    assert {"metrics.jsonl", "theta.safetensors"} <= found.keys()
    if recording:
        runs = recorded.get("runs", {}) | {name: found}
        RECORDED.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n")
    assert found == json.loads(RECORDED.read_text())["runs"][name]
