"""Networks of timm and torchvision by name: built for the task, trained, and refused in words."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lfl
from lfl.model import build_model
from lfl.run.trust import asked_for
from lfl.user_code import is_own

PICTURES = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(60) % 3


def built(name: str, *sizes: object) -> torch.nn.Module:
    pytest.importorskip(name.partition(":")[0])
    return build_model(name, *sizes)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("timm:resnet18", (1, 32, 32)),
        ("timm:vit_tiny_patch16_224", (4, 32, 48)),
        ("torchvision:shufflenet_v2_x0_5", (1, 32, 32)),
        ("torchvision:squeezenet1_1", (3, 32, 48)),
        ("torchvision:vit_b_32", (2, 64, 64)),
    ],
)
def test_a_network_is_built_for_the_task(name: str, shape: tuple[int, ...]) -> None:
    module = built(name, shape, 7)
    assert all(part.training for part in module.modules())
    assert module.eval()(torch.zeros(2, *shape)).shape == (2, 7)
    state = module.state_dict()
    assert all(torch.equal(t, state[n]) for n, t in built(name, shape, 7).state_dict().items())  # by the seed alone


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:squeezenet1_1"])
def test_three_steps_and_the_run_can_be_read(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name.partition(":")[0])
    task = lfl.task_from_arrays(PICTURES.numpy(), LABELS.numpy())
    run = lfl.train(
        task, name, "adalfl", out=tmp_path / "run", steps=3, offline_steps=1, batch_size=4, device="cpu", compile="off"
    )
    assert run.result.completed
    assert [row["step"] for row in run.metrics() if row["phase"] == "train"] == [1, 2, 3]
    theta = lfl.load_run(tmp_path / "run").theta
    start = lfl.functional(build_model(name, (3, 32, 32), 3))[0]
    assert theta.keys() == start.keys()


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("torchvision:resnet_18", (3, 32, 32), r"no image classifier 'resnet_18'; did you mean .*resnet18"),
        ("torchvision:fcn_resnet50", (3, 32, 32), "no image classifier 'fcn_resnet50'"),
        ("torchvision:alexnet", (3, 16, 16), r"cannot be built for inputs \[3, 16, 16\].*larger images"),
        ("torchvision:vit_b_32", (3, 48, 48), r"cannot be built for inputs \[3, 48, 48\]"),
        ("torchvision:vit_b_32", (3, 32, 64), "it takes squares"),
        ("torchvision:resnet18", (12,), r"needs images \[channels, height, width\]"),
        ("timm:resnet_18", (3, 32, 32), r"no image classifier 'resnet_18'"),
        ("timm:resnet18.a1_in1k", (3, 32, 32), "no image classifier 'resnet18.a1_in1k'; did you mean .*resnet18"),
        ("timm:hf_hub:someone/code", (3, 32, 32), "no image classifier 'hf_hub:someone/code'"),
        ("timm:vit_tiny_patch16_224", (3, 8, 8), r"cannot be built for inputs \[3, 8, 8\]"),
    ],
)
@pytest.mark.slow
def test_what_does_not_fit_is_refused(name: str, shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        built(name, shape, 5)


def test_they_are_no_code_of_the_users() -> None:
    assert not is_own("timm:resnet18")
    assert not is_own("torchvision:resnet18")
    assert is_own("my_timm:resnet18")
    assert asked_for({"task": "digits", "model": "timm:resnet18"}, None) == {}


@pytest.mark.slow
@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_a_missing_package_is_named(package: str) -> None:
    code = f"""
import sys
sys.modules["{package}"] = None
import lfl
from lfl.model import build_model
try:
    build_model("{package}:resnet18", (3, 32, 32), 10)
except lfl.MissingPackage as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        f"model {package}:resnet18 needs the package {package}, which is not installed; pip install {package}."
    )
