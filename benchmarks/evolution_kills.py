"""Searches killed at random moments and resumed, against an uninterrupted search.

    python benchmarks/evolution_kills.py                     # 10 kills of one search
    python benchmarks/evolution_kills.py --kills 30 --seed 1

EvoMAL, logistic regression on the digits, 8 candidates in each of 15 generations, 15 trainings of finalists. The search
is killed with SIGKILL a random moment after a random number of candidates and trainings, resumed each time, and then
resumed to its end. Writes `results/evolution-kills.json`: how many lines there were at each kill, how many kills left
a line cut short, and which files are the same to the byte.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "evolution-kills.json"
LFL = [sys.executable, "-c", "from lfl_cli.app import main; main()"]
SEARCH = [
    *("evolve", "--task", "digits", "--model", "logistic", "--device", "cpu", "--population", "8"),
    *(
        "--generations",
        "15",
        "--fitness-steps",
        "50",
        "--local-steps",
        "10",
        "--finalist-steps",
        "50",
        "--steps",
        "100",
    ),
]
LINES = ("evolution.jsonl", "finalists.jsonl")
LONGEST = 0.3
"""Seconds after a line until a kill, at most."""

COMPARED = ("evolution.jsonl", "front.csv", "finalists.jsonl", "metrics.jsonl", "theta.safetensors", "phi.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluator", default="auto", choices=["auto", "closures", "lanes"])
    asked = parser.parse_args()

    import torch

    from lfl.run.schema import environment

    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        command = [*LFL, *SEARCH, "--evaluator", asked.evaluator]
        subprocess.run([*command, "--out", str(whole)], check=True, stdout=subprocess.DEVNULL)
        found, cut = [], 0
        for number in sorted(draw.sample(range(1, lines(whole)), asked.kills)):
            resumes = (killed / "evolution.json").is_file()
            go_on = [*LFL, "resume", str(killed)] if resumes else [*command, "--out", str(killed)]
            process = subprocess.Popen(go_on, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while lines(killed) < number and process.poll() is None:
                time.sleep(0.002)
            time.sleep(draw.uniform(0.0, LONGEST))
            process.kill()
            process.wait()
            found.append(lines(killed))
            cut += any(whole_or_none(killed / name)[-1:] not in (b"", b"\n") for name in LINES)
        while not (killed / "result.json").is_file():
            subprocess.run([*LFL, "resume", str(killed)], check=True, stdout=subprocess.DEVNULL)
        same = {name: (killed / name).read_bytes() == (whole / name).read_bytes() for name in COMPARED}
    content = {
        **{"kills": asked.kills, "seed": asked.seed, "evaluator": asked.evaluator},
        **{"lines_at_each_kill": found, "lines_cut_short": cut, "same_bytes": same},
        "environment": environment(torch.device("cpu")),
    }
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps({key: content[key] for key in content if key != "environment"}, indent=2))


def lines(folder: Path) -> int:
    """How many candidates and trainings of finalists a search has."""
    return sum(whole_or_none(folder / name).count(b"\n") for name in LINES)


def whole_or_none(path: Path) -> bytes:
    """The content of a file; empty where there is none."""
    return path.read_bytes() if path.is_file() else b""


if __name__ == "__main__":
    main()
