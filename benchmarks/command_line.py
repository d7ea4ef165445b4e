"""The command line of a benchmark that has nothing to choose but threads: it measures, or prints its table."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path


def parse(about: str | None, table: Callable[[], str], *, data: bool = False) -> argparse.Namespace | None:
    """Parses the command line, and sets torch's threads; with `--table` prints the table and returns None.

    Args:
        about: the text of the script.
        table: returns the committed results as Markdown.
        data: whether the script takes `--data-dir`, the folder of the data.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data:
        parser.add_argument("--data-dir", type=Path, default=os.environ.get("LFL_DATA"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="print the Markdown tables and exit")
    asked = parser.parse_args()
    if asked.table:
        print(table())
        return None

    import torch  # the tables need none

    torch.set_num_threads(asked.threads)
    return asked
