"""How far an interpolated loss and the loss evaluated at each output, both in float32, are from float64.

    python benchmarks/interpolation_error.py        # prints the table of docs/targets.md

1,000 classes, 64 examples, normal logits of deviation 3. Relative differences (Euclidean norm) in the losses, in the
slope of the outputs, and in phi's gradient of that slope along a random direction, all from the same loss, evaluated
at each output in float64.
"""

from dataclasses import replace
from typing import Any

import torch

import lfl
from lfl.loss import REPRESENTATIONS
from lfl.randomness import generator


def times(factor: int) -> Any:
    """`loss_network` with weights so many times as large as it draws them."""
    return lambda *a, **k: lfl.loss_network(*a, gain=0.25 * factor, **k)


LOSSES: dict[str, Any] = {
    "`loss_network`, as drawn": times(1),
    "`loss_network`, weights 12 times as large": times(12),
    "`loss_network`, weights 24 times as large": times(24),
    "`loss_network`, weights 48 times as large": times(48),
    "`loss_network`, weights 100 times as large": times(100),
    "ML3's network (kinks; not interpolated unless asked)": REPRESENTATIONS["relu-softplus"],
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
    print("| loss | interpolated | each output |\n| --- | --- | --- |")
    for name, draw in LOSSES.items():
        phi, loss_fn = draw("classification", generator=generator(0, "phi"), dtype=torch.float64)
        exact = parts(loss_fn, phi, 3 * outputs, ids, along)
        single = {key: t.float() for key, t in phi.items()}
        cells = []
        for interpolate in (True, False):
            found = parts(replace(loss_fn, interpolate=interpolate), single, 3 * outputs.float(), ids, along.float())
            cells.append(
                [f"{float((a.double() - b).norm() / b.norm()):.0e}" for a, b in zip(found, exact, strict=True)]
            )
        print(f"| {name} | {' | '.join(', '.join(cell) for cell in cells)} |")


if __name__ == "__main__":
    main()
