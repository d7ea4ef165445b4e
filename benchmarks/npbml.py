"""NPBML and its parts against MAML on Omniglot: one recipe, one pre-trained encoder and relation network, one budget.

    python benchmarks/npbml.py prepare                      # pre-training and relation network, kept in --scratch
    python benchmarks/npbml.py train --minutes 30           # all variants and seeds, continued where it stopped
    python benchmarks/npbml.py prepare train --full --device cuda --form mixed    # full length
    python benchmarks/npbml.py table                        # from the committed results

Variants take the same episodes in turns, step by step, so that whatever stands in `results/npbml.json` compares them at
the same number of steps; the seeds of a variant are vmapped together. Seeds differ in what NPBML draws for itself and in the
training episodes; encoder and relation network are the same for all. The published settings that are shortened stand
in `SHORT` beside `FULL`. Accuracy is on 600 fixed test episodes, and every variant is transductive: batch norm sees
the whole query set. Intervals: 1.96 deviations of the episodes' accuracy over the root of their number, of each seed; and
over all variants' paired differences to "initialisation", of the mean over seeds of each episode.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

import lfl
from lfl.fewshot.episode import Episode
from lfl.fewshot.method import FewShotMethod
from lfl.fewshot.methods.npbml import LOSSES, PARTS, npbml
from lfl.fewshot.npbml import (
    Pretrained,
    draw_relation,
    nearest_mean_error,
    network_of,
    pretrain,
    relation_error,
    train_relation,
    training_batches,
)
from lfl.fewshot.omniglot import omniglot
from lfl.run.schema import environment
from lfl.trees import leaves, map_tree

RESULTS = Path(__file__).parent / "results" / "npbml.json"
VARIANTS: dict[str, dict[str, Any]] = {
    "MAML, inner steps see support alone": {"parts": (), "joint": False},
    "initialisation": {"parts": ()},
    "+ optimiser": {"parts": ("warp",)},
    "+ loss": {"parts": LOSSES},
    "+ optimiser + loss": {"parts": ("warp", *LOSSES)},
    "+ FiLM (NPBML, published)": {"parts": PARTS},
    "NPBML, written": {"parts": PARTS, "as_": "written"},
    "+ inductive": {"parts": ("inductive",)},
    "+ transductive": {"parts": ("transductive",)},
    "+ regulariser": {"parts": ("regulariser",)},
    "MAML with relation scores": {"parts": ("relation",)},
}
FULL: dict[str, Any] = {
    **{"network": "conv4", "relation_widths": (64, 128, 256, 512), "queries": 15, "inner_steps": 5, "inner_lr": 0.1},
    **{"meta_batch": 32, "meta_lr": 1e-5, "meta_lr_end": 1e-6, "meta_steps": 60_000, "evaluate_every": 2000},
    **{"pretrain": "sgd", "pretrain_lr": 0.01, "pretrain_steps": 200_000, "batch_size": 128},
    **{"relation_steps": 100_000, "relation_lr": 1e-3, "relation_queries": 15, "select_every": 500, "select_on": 600},
}
"""As published, for Omniglot where there are settings for it."""
SHORT = FULL | {
    **{"network": "conv4-32", "relation_widths": (16, 16, 32, 32), "queries": 3},
    **{"meta_batch": 4, "meta_lr": 1e-3, "meta_lr_end": 1e-4, "meta_steps": 300, "evaluate_every": 100},
    **{"pretrain": "adam", "pretrain_lr": 2e-3, "pretrain_steps": 2500},
    **{"relation_steps": 1500, "relation_lr": 1e-3, "relation_queries": 2, "select_every": 250, "select_on": 100},
}
"""For one core of a CPU."""
TEST_EPISODES = 600
AT_ONCE = 50


class Problem(NamedTuple):
    kind: Any
    num_outputs: int
    inner_steps: int
    inner_lr: float
    seed: int


def episodes_of(asked: argparse.Namespace, queries: int, seed: int = 0) -> Any:
    return omniglot(
        Path(os.environ.get("LFL_DATA", "data")), ways=asked.ways, shots=asked.shots, queries=queries, seed=seed, device=asked.device
    )


def log(*words: Any) -> None:
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def prepare(asked: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """Pre-trains the encoder and trains the relation network, unless they are kept already."""
    kept = asked.scratch / f"prepared-{asked.ways}-{settings['network']}.pt"
    if kept.exists():
        found: dict[str, Any] = torch.load(kept, map_location=asked.device)
        return found
    asked.scratch.mkdir(parents=True, exist_ok=True)
    network, episodes = network_of(settings["network"]), episodes_of(asked, settings["relation_queries"])
    valid, began = episodes.draw("valid", 0, settings["select_on"]), time.perf_counter()
    batch, num_classes = training_batches(episodes, settings["batch_size"])
    optimiser = lfl.adam(settings["pretrain_lr"]) if settings["pretrain"] == "adam" else None
    encoder = pretrain(
        network, batch, num_classes, valid, asked.ways, steps=settings["pretrain_steps"],
        lr=settings["pretrain_lr"], optimiser=optimiser, every=settings["select_every"],
        progress=lambda step, numbers: log("pre-training", step, numbers),
    )  # fmt: skip
    seconds = {"pretraining": time.perf_counter() - began}
    began = time.perf_counter()
    drawn = draw_relation(
        episodes.input_shape, torch.Generator(asked.device).manual_seed(0), settings["relation_widths"]
    )
    relation = train_relation(
        drawn, lambda step: episodes.draw("train", step, 1), valid, asked.ways, steps=settings["relation_steps"],
        lr=settings["relation_lr"], every=settings["select_every"],
        progress=lambda step, numbers: log("relation network", step, numbers),
    )  # fmt: skip
    seconds["relation"] = time.perf_counter() - began
    found = {
        **{"trunk": encoder.trunk, "stage": encoder.stage, "relation": relation.params, "seconds": seconds},
        **{"encoder_valid_error": encoder.error, "relation_valid_error": relation.error, "num_classes": num_classes},
    }
    torch.save(found, kept)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["prepare", "train", "table"])
    parser.add_argument("--ways", type=int, default=20)
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop training after so long; run again to go on")
    parser.add_argument("--full", action="store_true", help="the published lengths and widths")
    parser.add_argument("--form", default="unroll", help="of the hypergradient: mixed takes less memory, unroll less time here")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "lfl-npbml")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings")
    asked = parser.parse_args()
    settings = dict(FULL if asked.full else SHORT)
    settings |= {name: json.loads(value) for name, value in (pair.split("=") for pair in asked.set)}
    torch.set_num_threads(asked.threads)
    if "prepare" in asked.what:
        prepare(asked, settings)


if __name__ == "__main__":
    sys.exit(main())
