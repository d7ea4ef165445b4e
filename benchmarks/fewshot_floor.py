"""The floor of few-shot learning on Omniglot: the nearest neighbour on pixels, without any training.

    python benchmarks/fewshot_floor.py --data-dir DATA

600 test episodes of each cell, without rotations, 15 queries of each class. A query has the class of the support image
that is nearest by one of three measures: Euclidean distance, cosine, correlation (the cosine after each image's mean is
taken off). Writes `results/fewshot-floor.json`: accuracies in per cent, with the half-width of their 95 % interval over
episodes. Every learned number has to clear the best of them, and episodes with wrong labels do not reach them.
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn.functional import normalize

from lfl.fewshot.episode import Episodes
from lfl.fewshot.sources import load_episodes

RESULTS = Path(__file__).parent / "results" / "fewshot-floor.json"
EPISODES, AT_ONCE = 600, 20
QUERIES = 15


def centred(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(-1, keepdim=True)


MEASURES = {
    "euclidean": torch.cdist,
    "cosine": lambda q, x: -normalize(q, dim=-1) @ normalize(x, dim=-1).mT,
    "correlation": lambda q, x: -normalize(centred(q), dim=-1) @ normalize(centred(x), dim=-1).mT,
}
"""How far a query `[queries, pixels]` is from a support image `[supports, pixels]`."""


def accuracies(episodes: Episodes) -> dict[str, torch.Tensor]:
    """Returns the accuracy by each measure on each of the first test episodes, `[episodes]`."""
    found: dict[str, list[torch.Tensor]] = {name: [] for name in MEASURES}
    for step in range(EPISODES // AT_ONCE):
        x, y, query_x, query_y = episodes.draw("test", step, AT_ONCE)
        for name, distance in MEASURES.items():
            nearest = distance(query_x.flatten(2), x.flatten(2)).argmin(-1)
            found[name].append((y.gather(1, nearest) == query_y).double().mean(1))
    return {name: torch.cat(each) for name, each in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("~/.cache/lfl").expanduser())
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for split, ways, shots in [(s, w, k) for s in ("vinyals", "random") for w in (5, 20) for k in (1, 5)]:
        episodes = load_episodes(
            "omniglot",
            ways=ways,
            shots=shots,
            queries=QUERIES,
            device=asked.device,
            data_dir=asked.data_dir,
            rotations="none",
            split=split,
        )
        row = {"task": "omniglot", "split": split, "ways": ways, "shots": shots}
        for name, found in accuracies(episodes).items():
            half = 1.96 * float(found.std()) / len(found) ** 0.5
            row[name] = {"accuracy": round(100 * float(found.mean()), 2), "half_width": round(100 * half, 2)}
        rows.append(row)
        print(row, flush=True)
    facts = {"rows": rows, "episodes": EPISODES, "queries": QUERIES, "torch": torch.__version__}
    RESULTS.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
