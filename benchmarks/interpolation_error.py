"""How far a loss with `cells` is from the loss evaluated at each output, against float32's own rounding.

    python benchmarks/interpolation_error.py        # prints the table of docs/targets.md

1,000 classes, 64 examples, normal logits of deviation 3. Relative differences (Euclidean norm) in the losses, in the
slope of the outputs, and in phi's gradient of that slope along a random direction, in float64; in the last column
between the same loss, evaluated at each output, in float32 and float64.
"""

from dataclasses import replace
from typing import Any

import torch

import lfl
from lfl.loss import REPRESENTATIONS
from lfl.randomness import generator

CELLS = (256, 1024, 4096)
LOSSES: dict[str, Any] = {
    "`loss_network`, as drawn": lfl.loss_network,
    "`loss_network`, weights twelve times as large": lambda *a, **k: lfl.loss_network(*a, gain=3.0, **k),
    "ML3's network (kinks)": REPRESENTATIONS["relu-softplus"],
    "`taylor_loss`, cubic": lambda *a, **k: lfl.taylor_loss(*a, order=3, **k),
}


def parts(loss_fn: Any, phi: Any, outputs: torch.Tensor, ids: torch.Tensor, along: torch.Tensor) -> list[torch.Tensor]:
    def slope(phi: Any) -> torch.Tensor:
        return torch.func.grad(lambda outputs: loss_fn(phi, outputs, ids).mean())(outputs)

    by_phi = torch.func.grad(lambda phi: (slope(phi) * along).sum())(phi)
    return [loss_fn(phi, outputs, ids), slope(phi), torch.cat([t.flatten() for t in by_phi.values()])]


def main() -> None:
    g = generator(1, "x")
    outputs, along = (torch.randn(64, 1000, generator=g, dtype=torch.float64) for _ in range(2))
    ids = torch.randint(1000, (64,), generator=g)
    print(f"| loss | {' | '.join(f'{cells:,} cells' for cells in CELLS)} | float32 |\n|{' --- |' * (2 + len(CELLS))}")
    for name, draw in LOSSES.items():
        phi, each = draw("classification", generator=generator(0, "phi"), dtype=torch.float64)
        exact = parts(each, phi, 3 * outputs, ids, along)
        found = [parts(replace(each, cells=cells), phi, 3 * outputs, ids, along) for cells in CELLS]
        single = {key: t.float() for key, t in phi.items()}
        found.append([t.double() for t in parts(each, single, 3 * outputs.float(), ids, along.float())])
        rows = [[f"{float((a - b).norm() / b.norm()):.0e}" for a, b in zip(f, exact, strict=True)] for f in found]
        print(f"| {name} | {' | '.join(', '.join(row) for row in rows)} |")


if __name__ == "__main__":
    main()
