"""The names of other projects that the pages refer to, for builds without a network.

`inventories/PROJECT.txt` has a line `NAME KIND PAGE` each, as in the projects' own `objects.inv`.
"""

import zlib
from pathlib import Path

FOLDER = Path(__file__).parent / "inventories"
BUILT = Path(__file__).parent.parent / "_build" / ".inventories"


def fallback(project: str) -> str:
    """Writes the inventory of a project in Sphinx's own format, and returns its path."""
    lines = (FOLDER / f"{project}.txt").read_text().split("\n")
    entries = [line.split() for line in lines if line]
    body = "".join(f"{name} py:{kind} 1 {page}#{name} -\n" for name, kind, page in entries)
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: stable\n# Rest is compressed with zlib.\n"
    BUILT.mkdir(parents=True, exist_ok=True)
    path = BUILT / f"{project}.inv"
    path.write_bytes(head.encode() + zlib.compress(body.encode()))
    return str(path)
