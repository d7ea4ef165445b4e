"""Searches killed at random moments and resumed, against an uninterrupted search.

    python benchmarks/evolution_kills.py                     # 10 kills of one search
    python benchmarks/evolution_kills.py --kills 30 --seed 1

EvoMAL, logistic regression on the digits, 8 candidates in each of 15 generations. The search is killed with SIGKILL at
moments drawn from the length of an uninterrupted one, resumed each time, and then resumed to its end. Writes
`results/evolution-kills.json`: how many candidates there were at each kill, how many kills left a line cut short, and
which files are the same to the byte.
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
        began = time.perf_counter()
        subprocess.run([*command, "--out", str(whole)], check=True, stdout=subprocess.DEVNULL)
        length = time.perf_counter() - began
        start = length / asked.kills / 2
        found, cut = [], 0
        for _ in range(asked.kills):
            go_on = (
                [*LFL, "resume", str(killed)]
                if (killed / "evolution.json").is_file()
                else [*command, "--out", str(killed)]
            )
            process = subprocess.Popen(go_on, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(start, min(length, 2 * start + IMPORTS)))
            process.kill()
            process.wait()
            content = (killed / "evolution.jsonl").read_bytes() if (killed / "evolution.jsonl").is_file() else b""
            found.append(content.count(b"\n"))
            cut += bool(content) and not content.endswith(b"\n")
        while not (killed / "result.json").is_file():
            subprocess.run([*LFL, "resume", str(killed)], check=True, stdout=subprocess.DEVNULL)
        same = {name: (killed / name).read_bytes() == (whole / name).read_bytes() for name in COMPARED}
    content = {
        **{"kills": asked.kills, "seed": asked.seed, "evaluator": asked.evaluator},
        **{"candidates_at_each_kill": found, "lines_cut_short": cut, "same_bytes": same},
        "environment": environment(torch.device("cpu")),
    }
    RESULTS.write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps({key: content[key] for key in content if key != "environment"}, indent=2))


IMPORTS = 8.0
"""Seconds that a process takes until its first candidate, about."""


if __name__ == "__main__":
    main()
