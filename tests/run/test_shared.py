"""A loss is found by path, by the name of one that comes with lfl, and on the Hub, from its cache where that has it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lfl
from lfl.run.shared import SHIPPED, locate, shipped_losses
from lfl.run.trust import asked_for

NAMES = [path.name for path in SHIPPED.iterdir()]


def test_paths_go_before_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = NAMES[0]
    assert locate(name) == SHIPPED / name
    assert locate(Path(name)) == Path(name)
    assert locate(f"./{name}") == Path(name)
    (tmp_path / name).mkdir()
    assert locate(name) == Path(name)
    assert locate("runs/nowhere") == Path("runs/nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_each_that_comes_with_lfl_is_small_and_whole(name: str) -> None:
    assert sum(path.stat().st_size for path in (SHIPPED / name).iterdir()) < 100_000
    loss = lfl.load_loss(name)
    assert loss.about is not None
    assert loss.about["learned"]["completed"]
    outputs = torch.tensor([[0.2, 0.5], [0.9, 0.1]], requires_grad=True)
    targets = torch.tensor([1, 0]) if loss.loss_fn.kind == "classification" else torch.zeros(2, 2)
    loss(outputs, targets).backward()
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())
    assert bool(outputs.grad.any())


def test_they_are_part_of_the_package() -> None:
    assert shipped_losses() == sorted(NAMES)
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert '"export/losses/*/*"' in project.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_they_come_from_the_run_that_their_card_tells_of(name: str, tmp_path: Path) -> None:
    """Written again from what they hold, card and configuration are the same to the byte."""
    lfl.load_loss(name).save_pretrained(tmp_path / "loss")
    for file in ("config.json", "loss.safetensors", "README.md"):
        ours, theirs = ((folder / file).read_bytes() for folder in (tmp_path / "loss", SHIPPED / name))
        for text in ('"lfl": "{}"', "By lfl {};"):  # the version that wrote the files
            ours = ours.replace(text.format(lfl.__version__).encode(), text.format("0.1.0").encode())
        assert ours == theirs


@pytest.mark.slow
def test_method_fixed_trains_on_one_and_needs_no_trust(tmp_path: Path) -> None:
    run = lfl.train(
        "digits", "logistic", "fixed", loss_from="robust-classification", steps=200, out=tmp_path / "run", device="cpu"
    )
    assert run.settings.loss_from == "robust-classification"
    assert asked_for({"loss_from": "robust-classification", "task": "digits"}, None) == {}
    assert asked_for({"loss_from": "elsewhere", "task": "digits"}, None) == {"loss_from": "elsewhere"}
    assert run.result is not None
    assert run.result.test_error < 0.3  # chance is 0.9
    outputs, ids = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    assert torch.equal(run.loss()(outputs, ids), lfl.load_loss("robust-classification")(outputs, ids))


def test_the_name_of_one_allows_no_data_of_that_name() -> None:
    asked = {"valid": "robust-classification", "loss_from": "robust-classification", "task": "digits"}
    assert asked_for(asked, None) == {"valid": "robust-classification"}


def in_offline_process(code: str, home: Path) -> str:
    """Runs code with the Hub's cache in a folder, and without the network; the Hub reads its variables once."""
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HOME": str(home), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.stderr == ""
    return done.stdout


def cached(home: Path, files: dict[str, bytes]) -> None:
    """Lays out the Hub's cache as a download does: files by their content, linked from a commit, named by a branch."""
    repository, commit = home / "hub" / "models--someone--robust", "0123456789abcdef0123456789abcdef01234567"
    for part in ("blobs", "refs", f"snapshots/{commit}"):
        (repository / part).mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    for i, (name, content) in enumerate(files.items()):
        (repository / "blobs" / f"{i:040x}").write_bytes(content)
        (repository / "snapshots" / commit / name).symlink_to(f"../../blobs/{i:040x}")


@pytest.mark.slow
def test_what_the_hubs_cache_has_is_loaded_offline(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    files = {path.name: path.read_bytes() for path in (SHIPPED / "robust-classification").iterdir()}
    cached(tmp_path, files)
    code = """if True:
        import lfl, torch
        outputs, ids = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)), torch.arange(4)
        for name in ("hf://someone/robust", "hf://someone/robust@main"):
            print(torch.equal(lfl.load_loss(name)(outputs, ids), lfl.load_loss("robust-classification")(outputs, ids)))
        for name in ("hf://someone/else", "hf://someone/robust@other", "hf://someone", "hf://a/b/c", "hf://../x"):
            try:
                lfl.load_loss(name)
            except lfl.LflError as error:
                print(type(error).__name__, str(error).partition(" (")[0])
    """
    no_such = "Failure cannot load hf://someone/{} from the Hugging Face Hub"
    bad = "UserError a loss on the Hugging Face Hub is hf://USER/NAME or hf://USER/NAME@REVISION, got "
    assert in_offline_process(code, tmp_path).splitlines() == [
        *("True", "True", no_such.format("else"), no_such.format("robust@other")),
        *(f"{bad}'hf://{name}'." for name in ("someone", "a/b/c")),
        "Failure cannot load hf://../x from the Hugging Face Hub",
    ]


@pytest.mark.slow
def test_a_strangers_code_on_the_hub_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    folder = SHIPPED / "robust-classification"
    config = json.loads((folder / "config.json").read_text()) | {"loss": "evil:loss"}
    files = {"config.json": json.dumps(config).encode(), "loss.safetensors": (folder / "loss.safetensors").read_bytes()}
    cached(tmp_path, files)
    code = (
        "import lfl\ntry:\n    lfl.load_loss('hf://someone/robust')\nexcept lfl.UserError as error:\n    print(error)"
    )
    assert "asks to run the code of the loss evil:loss" in in_offline_process(code, tmp_path)
    shutil.rmtree(tmp_path / "hub")
    cached(tmp_path, {"letter": b"dear"})
    assert "cannot read" in in_offline_process(code, tmp_path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(lfl.MissingPackage, match=r"loading hf://a/b needs .*pip install 'lfl\[hub\]'"):
        locate("hf://a/b")
