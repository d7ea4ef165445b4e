"""One exact step through networks that were not written for lfl: of timm, torchvision and transformers, and others.

    pip install timm transformers
    python benchmarks/zoo.py                    # all; networks that are in the results are skipped
    python benchmarks/zoo.py resnet18 bert      # some
    python benchmarks/zoo.py --summary          # the table of docs/models.md, from the committed results

Each network is built with random weights in double precision and in training mode, as its package builds it, and takes
one step of AdaLFL on four images of 64x64 pixels (or of the size that it requires) or four sequences of 12 words.
Those of `zoo_targets.py` have other inputs and targets: a class for each pixel, node or word, several labels at once.
Recorded: what the batch had to hold (nothing, dropout masks, or a seed), the type that the model returned (where that
is no tensor, the loss reads its entries), the result of each form of the hypergradient, the difference of the two exact
forms (relative to the size of the gradient), and how long a step took. Writes `results/zoo.json` after each network.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from zoo_targets import NETWORKS, Kind, by_hand

import lfl
from lfl.run.schema import environment

RESULTS = Path(__file__).parent / "results" / "zoo.json"
CLASSES, BATCH, PIXELS, WORDS = 10, 4, 64, 12

TIMM = [
    "resnet18",
    "resnet26d",
    "resnext26ts",
    "seresnet18",
    "skresnet18",
    "resnest14d",
    "res2net50_14w_8s",
    "densenet121",
    "dla46_c",
    "efficientnet_b0",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mnasnet_small",
    "ghostnet_050",
    "regnetx_002",
    "regnety_002",
    "convnext_atto",
    "convnextv2_atto",
    "nf_regnet_b0",
    "repvgg_a0",
    "edgenext_xx_small",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "fastvit_t8",
    "inception_next_atto",
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
    "mixer_s32_224",
    "resmlp_12_224",
    "gmlp_ti16_224",
    "poolformer_s12",
    "xcit_nano_12_p16_224",
    "cait_xxs24_224",
    "pit_ti_224",
    "coat_tiny",
    "convit_tiny",
    "levit_128s",
    "eva02_tiny_patch14_224",
    "pvt_v2_b0",
    "twins_pcpvt_small",
    "volo_d1_224",
    "cs3darknet_focus_s",
    "botnet26t_256",
    "lambda_resnet26t",
    "visformer_tiny",
    "starnet_s1",
    "tiny_vit_5m_224",
]
TORCHVISION = [
    "alexnet",
    "vgg11_bn",
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mnasnet0_5",
    "googlenet",
    "efficientnet_v2_s",
    "convnext_tiny",
    "swin_v2_t",
    "vit_b_32",
]
TRANSFORMERS = ["bert", "distilbert", "roberta", "gpt2", "albert", "llama"]


RECORDER = lfl.Optimiser(lambda phi: phi, lambda grads, state, phi: (phi, grads))
"""An optimiser that keeps the gradient as its state, because a difference of phi would round it."""


def timm_model(name: str) -> tuple[nn.Module, int]:
    import timm

    for pixels in (PIXELS, timm.create_model(name).default_cfg["input_size"][-1]):
        for size in ({"img_size": pixels}, {}):
            try:
                module = timm.create_model(name, num_classes=CLASSES, **size)
                with torch.no_grad():
                    module.eval()(torch.zeros(1, 3, pixels, pixels))
            except Exception:  # a size that this model does not accept; each raises its own type
                continue
            return module.train(), pixels
    raise ValueError(f"{name} takes no picture")


def torchvision_model(name: str) -> tuple[nn.Module, int]:
    from torchvision import models

    module = models.get_model(name, num_classes=CLASSES, **({"init_weights": True} if name == "googlenet" else {}))
    return module, 224 if name.startswith("vit") else PIXELS


def transformer(name: str) -> nn.Module:
    import transformers as t

    small = {"vocab_size": 50, "num_labels": CLASSES, "pad_token_id": 0}
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    build: dict[str, Callable[[], nn.Module]] = {
        "bert": lambda: t.BertForSequenceClassification(t.BertConfig(**small, **wide)),
        "distilbert": lambda: t.DistilBertForSequenceClassification(
            t.DistilBertConfig(**small, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
        ),
        "roberta": lambda: t.RobertaForSequenceClassification(t.RobertaConfig(**small, **wide)),
        "gpt2": lambda: t.GPT2ForSequenceClassification(
            t.GPT2Config(**small, n_embd=32, n_layer=2, n_head=4, use_cache=False)
        ),
        "albert": lambda: t.AlbertForSequenceClassification(t.AlbertConfig(**small, **wide, embedding_size=16)),
        "llama": lambda: t.LlamaForSequenceClassification(t.LlamaConfig(**small, **wide, use_cache=False)),
    }
    return build[name]().train()


def logits_of(outputs: Any) -> torch.Tensor:
    if isinstance(outputs, torch.Tensor):
        return outputs
    return outputs.logits if hasattr(outputs, "logits") else outputs[0]


def inspect_network(source: str, name: str) -> dict[str, Any]:
    """Returns one row of the results."""
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    own = NETWORKS.get(name) if source == "targets" else None
    if own is not None:
        module = own.build().train()
        xs: list[Any] = [own.inputs(g) for _ in range(2)]
        shape = None
    elif source == "transformers":
        module, shape = transformer(name), [WORDS]
        xs = [{"input_ids": torch.randint(1, 50, (BATCH, WORDS), generator=g)} for _ in range(2)]
    else:
        module, pixels = (timm_model if source == "timm" else torchvision_model)(name)
        shape = [3, pixels, pixels]
        xs = [torch.randn(BATCH, *shape, generator=g, dtype=torch.float64) for _ in range(2)]
    ys = [own.targets(g) if own else torch.randint(CLASSES, (BATCH,), generator=g) for _ in range(2)]
    module = module.double()
    row: dict[str, Any] = {
        "source": source,
        "name": name,
        "input": shape,
        "parameters": sum(p.numel() for p in module.parameters()),
        "targets": own.kind.name if own else "a class",
    }
    theta, _, apply_fn = lfl.functional(module)
    parts: list[Any] = list(zip(xs, ys, strict=True))
    step = partial(phi_gradient, theta, apply_fn, own.kind if own else None)
    row["batch"], batches, failure = None, parts, ""
    for needs in ("(x, y)", "(x, y, masks)", "(x, y, seed)"):
        try:
            batches = [complete(needs, apply_fn, theta, part, g) for part in parts]
            step(batches, "auto")
        except lfl.UserError as error:
            failure = str(error)
            continue
        row["batch"] = needs
        break
    if row["batch"] is None:
        return row | {"auto": failure}
    with torch.no_grad(), torch.random.fork_rng():
        outputs = module(**xs[0]) if isinstance(xs[0], dict) else module(xs[0])
    row["outputs"] = type(outputs).__name__
    gradients: dict[str, torch.Tensor] = {}
    for form in ("unroll", "mixed"):
        start = time.perf_counter()
        try:
            gradients[form] = step(batches, form)
            row[form] = "ok"
            row[f"{form}_seconds"] = round(time.perf_counter() - start, 3)
        except lfl.UserError as error:
            row[form] = str(error)
    if len(gradients) == 2:
        apart = (gradients["mixed"] - gradients["unroll"]).norm() / gradients["unroll"].norm()
        row["apart"] = float(apart)
    return row


def complete(needs: str, apply_fn: Any, theta: Any, part: tuple[Any, Any], g: torch.Generator) -> tuple[Any, ...]:
    if needs == "(x, y)":
        return part
    if needs == "(x, y, seed)":
        return (*part, 7)
    return (*part, lfl.draw_masks(lfl.mask_specs(apply_fn, theta, part[0]), g))


def phi_gradient(theta: Any, apply_fn: Any, kind: Kind | None, batches: list[Any], hypergradient: str) -> torch.Tensor:
    phi, loss_fn = lfl.loss_network(
        "classification" if kind is None else kind.learned,
        gain=2.0,
        generator=torch.Generator().manual_seed(2),
        dtype=torch.float64,
    )

    def learned(phi: Any, outputs: Any, y: torch.Tensor) -> torch.Tensor:
        if kind is None:
            return loss_fn(phi, logits_of(outputs), y)
        return loss_fn(phi, *kind.rows(outputs, y)).view(len(y), -1).mean(-1)

    def task_loss(outputs: Any, y: torch.Tensor) -> torch.Tensor:
        return lfl.cross_entropy(logits_of(outputs), y) if kind is None else by_hand(kind, outputs, y)

    _, _, carry, _ = lfl.meta_step(
        theta,
        phi,
        batches[0],
        batches[1],
        apply_fn=apply_fn,
        loss_fn=learned,
        task_loss=task_loss,
        inner=lfl.sgd(0.01),
        outer=RECORDER,
        hypergradient=hypergradient,
    )
    return torch.cat([grad.flatten() for grad in carry.outer.values()])


def read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"networks": []}


def summary(results: dict[str, Any]) -> str:
    rows = results["networks"]
    apart = sorted(row["apart"] for row in rows if "apart" in row)
    lines = [
        f"{sum(row['batch'] is not None for row in rows)} of {len(rows)} networks take a step. Both exact forms run on "
        f"{len(apart)}; there they differ by {apart[len(apart) // 2]:.1e} in the median and {apart[-1]:.1e} at most, "
        "relative to the size of the gradient.",
        "",
        "| networks | targets | batch | outputs | forms |",
        "| --- | --- | --- | --- | --- |",
    ]
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        forms = [form for form in ("unroll", "mixed") if row.get(form) == "ok"]
        key = (
            row.get("targets", "a class"),
            row["batch"] or "none",
            row.get("outputs", ""),
            " and ".join(forms) or row.get("auto", ""),
        )
        alike.setdefault(key, []).append(row["name"])
    lines += [f"| {', '.join(names)} | {' | '.join(key)} |" for key, names in alike.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NAME")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--summary", action="store_true")
    asked = parser.parse_args()
    if asked.summary:
        print(summary(read()))
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(asked.threads)
    zoo = [
        *(("timm", n) for n in TIMM),
        *(("torchvision", n) for n in TORCHVISION),
        *(("transformers", n) for n in TRANSFORMERS),
        *(("targets", n) for n in NETWORKS),
    ]
    for source, name in zoo:
        results = read()
        there = any((row["source"], row["name"]) == (source, name) for row in results["networks"])
        if there or (asked.networks and name not in asked.networks):
            continue
        row = inspect_network(source, name)
        results |= environment(torch.device("cpu"))
        results["versions"] |= {name: version(name) for name in ("timm", "torchvision", "transformers")}
        results["networks"].append(row)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print({name: value for name, value in row.items() if name != "input"}, flush=True)


if __name__ == "__main__":
    main()
