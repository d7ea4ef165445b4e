"""NPBML and its parts against MAML on Omniglot: one recipe, one pre-trained encoder and relation network, one budget.

    python benchmarks/npbml.py --prepare                # pre-training and relation network, kept in --scratch
    python benchmarks/npbml.py --train --minutes 20     # all variants and seeds; again to go on where it stopped
    python benchmarks/npbml.py --test                   # 600 test episodes, writes results/npbml.json
    python benchmarks/npbml.py --table                  # from the committed results
    python benchmarks/npbml.py --prepare --train --test --full --device cuda --form mixed     # the published lengths

Variants take the same episodes in turns, step by step, and are tested in turns, so that whatever has been written
compares them at the same number of steps; the seeds of a variant are vmapped together. Seeds differ in what NPBML draws
for itself and in the training episodes; encoder and relation network are the same for all. `SHORT` shows what is
shortened of `FULL`. Every variant is transductive: batch norm sees the whole query set. Intervals are 95 %, 1.96
deviations over the root of the number of episodes: of each seed; and of the difference to "initialisation" on the same
episodes, each episode's mean over the seeds, so that the spread of seeds stands beside it.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Collection
from functools import partial
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
    train_relation,
    training_batches,
)
from lfl.fewshot.omniglot import omniglot
from lfl.optimiser.adam import AdamState
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
    "FiLM alone": {"parts": ("film",)},
    "NPBML without the transductive loss": {"parts": [part for part in PARTS if part != "transductive"]},
    "NPBML, written, without the regulariser": {
        **{"parts": [part for part in PARTS if part != "regulariser"], "as_": "written"},
    },
    "initialisation, inner rate 0.3": {"parts": (), "inner_lr": 0.3},
}
WHOLE = "+ FiLM (NPBML, published)"
WITHOUT = ("nearest class mean of the encoder", "relation network alone")
"""What the encoder and the relation network can do before anything adapts."""
FULL: dict[str, Any] = {
    **{"network": "conv4", "relation_widths": (64, 128, 256, 512), "queries": 15, "inner_steps": 5, "inner_lr": 0.1},
    **{"meta_batch": 32, "meta_lr": 1e-5, "meta_lr_end": 1e-6, "meta_steps": 60_000},
    **{"pretrain": "sgd", "pretrain_lr": 0.01, "pretrain_steps": 200_000, "batch_size": 128},
    **{"relation_steps": 100_000, "relation_lr": 1e-3, "relation_queries": 15, "select_every": 500, "select_on": 600},
}
"""As published, for Omniglot where there are settings for it."""
SHORT = FULL | {
    **{"network": "conv4-32", "relation_widths": (16, 16, 32, 32), "queries": 1},
    **{"meta_batch": 4, "meta_lr": 1e-3, "meta_lr_end": 1e-3, "meta_steps": 200},
    **{"pretrain": "adam", "pretrain_lr": 2e-3, "pretrain_steps": 1000, "batch_size": 64},
    **{"relation_steps": 800, "relation_queries": 1, "select_every": 200, "select_on": 100},
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
        Path(os.environ.get("LFL_DATA", "data")),
        ways=asked.ways,
        shots=asked.shots,
        queries=queries,
        seed=seed,
        device=asked.device,
    )


def log(*words: Any) -> None:
    print(time.strftime("%H:%M:%S"), *words, flush=True)


def loaded(path: Path, device: str) -> dict[str, Any]:
    with torch.serialization.safe_globals([AdamState]):
        found: dict[str, Any] = torch.load(path, map_location=device)
    return found


def prepare(asked: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
    """Pre-trains the encoder and trains the relation network, unless they are kept already."""
    kept = asked.scratch / f"prepared-{asked.ways}-{settings['network']}.pt"
    if kept.exists():
        return loaded(kept, asked.device)
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


def methods_of(asked: argparse.Namespace, settings: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The variants: a method, and phi of all seeds with a leading axis."""
    network = network_of(settings["network"])
    pretrained = Pretrained(network, found["trunk"], found["stage"], found["relation"])
    made = {}
    for name in asked.only or VARIANTS:
        options = VARIANTS[name]
        options = {"inner_lr": settings["inner_lr"]} | options
        rate = options.pop("inner_lr")
        problems = [
            Problem("classification", asked.ways, settings["inner_steps"], rate, seed) for seed in range(asked.seeds)
        ]
        seeds = [npbml(problem, pretrained=pretrained, **options) for problem in problems]
        made[name] = seeds[0], map_tree(lambda *phis: torch.stack(phis), *[method.phi for method in seeds])
    return made


def prepared_tasks(methods: dict[str, Any], names: list[str], episodes: list[Episode]) -> dict[str, Any]:
    """What variants take as tasks, `[seeds, tasks, ...]`, or without seeds for a single list of episodes."""
    together = Episode(*(torch.cat(parts) for parts in zip(*episodes, strict=True)))
    joint = {name: VARIANTS[name].get("joint", True) for name in names}
    # with relation scores where one of them needs them
    first = {joint[name]: name for name in sorted(names, key=lambda name: with_scores(VARIANTS[name]["parts"]))}
    tasks = {how: methods[name][0].prepare(together) for how, name in first.items()}

    def apart(t: torch.Tensor) -> torch.Tensor:
        return t.unflatten(0, (len(episodes), -1)) if len(episodes) > 1 else t

    return {name: map_tree(apart, tasks[how]) for name, how in joint.items()}


def with_scores(parts: Collection[str]) -> bool:
    return "transductive" in parts or "relation" in parts


def rate_at(settings: dict[str, Any], step: int) -> float:
    """Half a cosine from the first rate to the last."""
    first, last = settings["meta_lr"], settings["meta_lr_end"]
    return last + 0.5 * (first - last) * (1.0 + math.cos(math.pi * min(step / settings["meta_steps"], 1.0)))


def train(asked: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Takes the steps of variants in turns, until the last step or the time is over."""
    methods = methods_of(asked, settings, prepare(asked, settings))
    sources = [episodes_of(asked, settings["queries"], seed) for seed in range(asked.seeds)]
    init, update = lfl.adam(settings["meta_lr"])
    kept, began = asked.scratch / f"trained-{asked.ways}-{settings['network']}.pt", time.perf_counter()
    state: dict[str, Any] = loaded(kept, asked.device) if kept.exists() else {"settings": settings, "seconds": {}}
    state = {"phi": {}, "slots": {}, "losses": {}} | state
    if without_steps(state["settings"]) != without_steps(settings):
        raise SystemExit(f"{kept} was trained with other settings; give another --scratch.")
    for name in methods.keys() - state["phi"].keys():
        state["phi"][name], state["slots"][name] = methods[name][1], init(methods[name][1])
        state["losses"][name] = []

    def gradient(name: str, phi: Any, tasks: Any) -> Any:
        method = methods[name][0]
        inner, options = method.inner, {"form": asked.form, "tasks_at_once": asked.tasks_at_once}
        grads, run = lfl.bilevel_gradient(inner, method.outer, method.start, phi, tasks, **options)
        return grads, run.outer_loss.mean()

    while (step := min(len(state["losses"][name]) for name in methods)) < settings[
        "meta_steps"
    ] and time.perf_counter() - began < 60.0 * asked.minutes:
        at, behind = time.process_time(), [name for name in methods if len(state["losses"][name]) == step]
        episodes = [source.draw("train", step, settings["meta_batch"]) for source in sources]
        tasks = prepared_tasks(methods, behind, episodes)
        spent = {"tasks": time.process_time() - at}
        for name in behind:
            at, phi = time.process_time(), state["phi"][name]
            of_seed = partial(gradient, name)
            grads, losses = torch.func.vmap(of_seed)(phi, tasks[name])
            state["phi"][name], state["slots"][name] = update(grads, state["slots"][name], phi, rate_at(settings, step))
            state["losses"][name].append(losses.tolist())
            spent[name] = time.process_time() - at
        state["seconds"] |= {name: state["seconds"].get(name, 0.0) + took for name, took in spent.items()}
        if (step + 1) % 10 == 0:
            recent = {name: round(float(torch.tensor(state["losses"][name][-10:]).mean()), 3) for name in behind}
            log("step", step + 1, recent)
            torch.save(state, kept)
    torch.save(state, kept)


def without_steps(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "meta_steps"}


def test(asked: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Adapts each variant that took all steps to the test episodes; writes what is known after each list of them."""
    found = prepare(asked, settings)
    state = loaded(asked.scratch / f"trained-{asked.ways}-{settings['network']}.pt", asked.device)
    made, episodes = methods_of(asked, settings, found), episodes_of(asked, settings["queries"])
    most = max(map(len, state["losses"].values()))
    methods = {name: method for name, method in made.items() if len(state["losses"].get(name, [])) == most}
    network, right = network_of(settings["network"]), {name: [] for name in [*methods, *WITHOUT]}
    for number in range(math.ceil(TEST_EPISODES / AT_ONCE)):
        episode = episodes.draw("test", number, AT_ONCE)
        tasks = prepared_tasks(methods, list(methods), [episode])
        right["relation network alone"].append(
            (tasks[WHOLE]["scores"].argmax(-1) == episode.query_y).float().mean(1)[None]
        )
        errors = [
            nearest_mean_error(network, found["trunk"], found["stage"], Episode(*(t[None] for t in one)), asked.ways)
            for one in zip(*episode, strict=True)
        ]
        right["nearest class mean of the encoder"].append(1.0 - torch.tensor(errors)[None])
        for name, (method, _) in methods.items():

            def accuracy(phi: Any, task: Any, method: FewShotMethod = method) -> torch.Tensor:
                theta = lfl.adapt(method.inner, method.start(phi), phi, task).theta
                outputs = method.predict(theta, phi, task)  # type: ignore[misc]
                return (outputs.argmax(-1) == task["query_y"]).float().mean()

            of_seed = torch.func.vmap(accuracy, in_dims=(None, 0))
            with torch.no_grad():
                right[name].append(torch.func.vmap(of_seed, in_dims=(0, None))(state["phi"][name], tasks[name]))
        log("test episodes", (number + 1) * AT_ONCE)
        write(asked, settings, found, state, {name: torch.cat(parts, 1) for name, parts in right.items()})


def write(asked: Any, settings: Any, found: Any, state: Any, right: dict[str, torch.Tensor]) -> None:
    """Writes the results: percent, per seed and together."""
    base, rows = right["initialisation"].mean(0), {}
    for name, values in right.items():
        count, apart = values.shape[1], values.mean(0) - base
        half = 1.96 / math.sqrt(count)
        rows[name] = {
            "accuracy": round(100.0 * float(values.mean()), 2),
            "of_seeds": [round(100.0 * float(v), 2) for v in values.mean(1)],
            "half_width_of_seeds": [round(100.0 * half * float(v), 2) for v in values.std(1)],
            "above_initialisation": round(100.0 * float(apart.mean()), 2),
            "half_width": round(100.0 * half * float(apart.std()), 2),
            "above_of_seeds": [round(100.0 * float(v), 2) for v in (values - right["initialisation"]).mean(1)],
        }
        if name in VARIANTS:
            losses = torch.tensor(state["losses"][name])
            rows[name] |= {
                "parameters": {"phi": sum(t[0].numel() for t in leaves(state["phi"][name]))},
                "cpu_seconds_per_step": round(state["seconds"][name] / len(losses), 3),
                "outer_loss_of_10_steps": [round(float(rows.mean()), 3) for rows in losses.split(10)],
                "largest_outer_loss_of_seeds": [float(loss) for loss in losses.amax(0)],
            }
    facts = {
        **environment(torch.device(asked.device)),
        **{"data": "omniglot, split of Vinyals, classes turned by 90 degrees", "transductive": True},
        **{"ways": asked.ways, "shots": asked.shots, "seeds": asked.seeds, "form": asked.form},
        **{"settings": settings, "shortened_of": {k: v for k, v in FULL.items() if settings[k] != v}},
        **{"meta_steps": max(map(len, state["losses"].values())), "test_episodes": next(iter(right.values())).shape[1]},
        "prepared": {k: found[k] for k in ("encoder_valid_error", "relation_valid_error", "num_classes", "seconds")},
    }
    RESULTS.write_text(json.dumps({**facts, "variants": rows}, indent=1) + "\n")


def table(found: dict[str, Any]) -> str:
    lines = ["| variant | accuracy, % | each seed | above initialisation | each seed |", "| --- " * 5 + "|"]
    for name, row in found["variants"].items():
        above = f"{row['above_initialisation']:+.2f} +- {row['half_width']:.2f}"
        seeds = (", ".join(f"{v:.2f}" for v in row["of_seeds"]), ", ".join(f"{v:+.2f}" for v in row["above_of_seeds"]))
        lines.append(f"| {name} | {row['accuracy']:.2f} | {seeds[0]} | {above} | {seeds[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for what in ("prepare", "train", "test", "table"):
        parser.add_argument(f"--{what}", action="store_true")
    parser.add_argument("--ways", type=int, default=20)
    parser.add_argument("--shots", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop training after so long")
    parser.add_argument("--full", action="store_true", help="the published lengths and widths")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, metavar="VARIANT", help="train these variants alone")
    parser.add_argument("--form", default="unroll", help="mixed takes less memory")
    parser.add_argument("--tasks-at-once", type=int, help="of a seed's meta-batch; all when omitted")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "lfl-npbml")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other settings")
    asked = parser.parse_args()
    settings = dict(FULL if asked.full else SHORT)
    settings |= {name: json.loads(value) for name, value in (pair.split("=") for pair in asked.set)}
    torch.set_num_threads(asked.threads)
    for name, stage in {"prepare": prepare, "train": train, "test": test}.items():
        if getattr(asked, name):
            stage(asked, settings)
    if asked.table or asked.test:
        print(table(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    sys.exit(main())
