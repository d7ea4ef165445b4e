from pathlib import Path

import pytest
import torch

import lfl
from lfl.fewshot.npbml import load_pretrained, prepared, save_pretrained

from .test_pretraining import images


def test_it_goes_to_a_file_and_back(tmp_path: Path) -> None:
    stages = []
    made = prepared(
        images(),
        **{"network": "conv4-4", "pretraining_steps": 2, "batch_size": 8, "relation_steps": 2, "every": 2},
        **{"relation_widths": (2, 2, 2, 2), "num_valid": 2},  # type: ignore[arg-type]
        progress=lambda stage, step, numbers: stages.append((stage, step)),
    )
    assert stages == [("pre-training", 2), ("relation network", 2)]
    file = tmp_path / "pretrained.safetensors"
    save_pretrained(file, made)
    read = load_pretrained(file)
    assert read.network.name == "conv4-4"
    for part in ("trunk", "stage", "relation"):
        before, after = getattr(made, part), getattr(read, part)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    save_pretrained(file, made._replace(relation=None))
    assert load_pretrained(file).relation is None


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\x08\0\0\0\0\0\0\0{}      "])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pretrained.safetensors"
    file.write_bytes(content)
    with pytest.raises(lfl.UserError, match="no encoder"):
        load_pretrained(file)
    with pytest.raises(lfl.UserError, match="cannot read"):
        load_pretrained(tmp_path / "elsewhere")
