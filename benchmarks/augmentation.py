"""Speed of random crops and flips: a batch at once, against torchvision's transforms image by image.

    python benchmarks/augmentation.py
    python benchmarks/augmentation.py --table        # the table of docs/cost.md, from the committed results

Batches of 128 random 32x32 colour images, padding 4. lfl's time includes its random draws. torchvision is timed on
tensors and on PIL images (with the conversion to a tensor), as a `DataLoader` worker would call it. The calls alternate
in one process, which keeps freed memory as `lfl train` does. Writes `results/augmentation.json`.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "augmentation.json"
SIZE, BATCHES = 128, 40
"""Images in a batch, and batches that are timed together."""


def measure(device: Any, threads: int, seconds: float) -> list[dict[str, Any]]:
    import torch
    from forms import interleaved, summary
    from torchvision import transforms
    from torchvision.transforms.functional import to_pil_image

    from lfl.data.augmentation import Draws, augmentation_of, crop_and_flip, draw_crops
    from lfl.device import keep_freed_memory
    from lfl.randomness import generator

    keep_freed_memory()
    torch.set_num_threads(threads)
    images = torch.rand(SIZE, 3, 32, 32, generator=generator(0, "images"))
    pictures = [to_pil_image(image) for image in images]
    ours = augmentation_of(images, pad=4, fill=torch.zeros(3, 1, 1)).to(device)
    chosen = torch.arange(SIZE, device=device)
    two = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    theirs = transforms.Compose(two)
    with_pictures = transforms.Compose([*two, transforms.ToTensor()])
    step = 0

    def batched() -> None:
        nonlocal step
        for step in range(step + 1, step + 1 + BATCHES):  # noqa: B020
            draws = draw_crops(ours, SIZE, generator(0, "crops", step))
            crop_and_flip(ours, chosen, Draws(*(t.to(device) for t in draws)))

    def one_by_one(transform: Any, given: Any) -> None:
        for _ in range(BATCHES):
            torch.stack([transform(image) for image in given])

    calls = {
        "lfl, a batch at once": batched,
        "torchvision, tensors": partial(one_by_one, theirs, images),
        "torchvision, PIL pictures": partial(one_by_one, with_pictures, pictures),
    }
    times = interleaved(calls, device, seconds)
    rows = [{"how": name, **summary(t)} for name, t in times.items()]
    return [row | {"images_per_second": round(1e3 * SIZE * BATCHES / row["median_ms"])} for row in rows]


def table() -> str:
    first, *theirs = json.loads(RESULTS.read_text())["rows"]
    lines = ["| crops and flips | images a second | lfl is faster |", "| --- | --- | --- |"]
    lines.append(f"| {first['how']} | {first['images_per_second']:,} | |")
    for row in theirs:
        ratio = first["images_per_second"] / row["images_per_second"]
        lines.append(f"| {row['how']} | {row['images_per_second']:,} | {ratio:.0f} times |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return
    import torch

    from lfl.run.schema import environment

    device = torch.device(asked.device)
    rows = measure(device, asked.threads, asked.seconds)
    RESULTS.write_text(json.dumps({**environment(device), "rows": rows}, indent=1) + "\n")
    print(table())


if __name__ == "__main__":
    main()
