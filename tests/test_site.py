"""The documentation site holds together, as far as its sources show: names, pages, links, code."""

import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lfl

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.append(str(DOCS / "_ext"))

BUILT = ("_build", "jupyter_execute", ".jupyter_cache")
PAGES = sorted(p for p in DOCS.rglob("*") if p.suffix in {".md", ".rst"} and not set(BUILT) & set(p.parts))
LINKED = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
TUTORIALS = [*sorted(p for p in (DOCS / "tutorials").glob("*.md") if p.stem != "index"), DOCS / "gallery.md"]
CELL = re.compile(r"```\{code-cell\} ipython3\n(.*?)```", re.S)


def name_of(page: Path) -> str:
    return str(page.relative_to(DOCS).with_suffix(""))


def in_toctrees() -> Iterator[tuple[str, str]]:
    """Yields each page that a toctree names, and where."""
    for page in PAGES:
        text = page.read_text()
        found = re.findall(r"```\{toctree\}\n(.*?)```", text, re.S) + re.findall(
            r"\.\. toctree::\n((?:[ \t]+.*\n|\n)*)", text
        )
        for block in found:
            for line in map(str.strip, block.splitlines()):
                if line and not line.startswith(":"):
                    named = re.fullmatch(r".*<(.*)>", line)
                    yield name_of(page), name_of(page.parent / ((named[1] if named else line) + ".md"))


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^( *)(```+|:::+ *\{code).*?^\1\2 *$", "", text, flags=re.S | re.M))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.S | re.M)


def test_every_exported_name_is_in_the_reference_once() -> None:
    described: Counter[str] = Counter()
    for page in (DOCS / "api").glob("*.rst"):
        module = ""
        for kind, name in re.findall(r"^\.\. (currentmodule|auto\w+):: ?(\S*)", page.read_text(), re.M):
            if kind == "currentmodule":
                module = name
            elif module == "lfl" and name:
                described[name] += 1
    missing = set(lfl.__all__) - set(described)
    assert not missing, f"add these to the page of docs/api that they belong on: {sorted(missing)}"
    assert dict(described) == dict.fromkeys(lfl.__all__, 1)


def test_each_page_has_one_place_in_the_contents() -> None:
    places = Counter(page for _, page in in_toctrees())
    assert set(places) == {name_of(page) for page in PAGES} - {"index"}, (
        "name it in a toctree, such as docs/how-to.md's"
    )
    assert set(places.values()) == {1}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_site_have_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"(https?|mailto):", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_the_kills_that_the_page_reports_are_those_that_were_measured() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "kills.json").read_text())
    text = " ".join((DOCS / "randomness.md").read_text().split())
    offline, training, writing = (found[f"killed {at}"] for at in ("in offline steps", "in training", "while writing"))
    assert f"Of {found['runs']} runs {found['identical']} were identical; {offline} of the kills fell into the" in text
    assert f"offline steps, {training} into the training, and {writing} left a file" in text


def test_code_that_is_shown_beside_equations_is_there() -> None:
    shown = re.findall(r"```\{literalinclude\} (\S+)\n:pyobject: (\w+)", (DOCS / "hypergradient.md").read_text())
    assert len(shown) > 5
    for path, name in shown:
        tree = ast.parse((DOCS / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_is_python_and_uses_names_that_are_there(page: Path) -> None:
    """The site's build executes them."""
    text = page.read_text()
    assert text.startswith("---\nfile_format: mystnb\n")
    cells = CELL.findall(text)
    assert len(cells) > 3
    for cell in cells:
        tree = ast.parse("\n".join(line for line in cell.splitlines() if not line.startswith(("!", "%", ":"))))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lfl":
                assert hasattr(lfl, node.attr), node.attr


def test_a_docstring_becomes_what_sphinx_reads() -> None:
    from docstrings import converted

    plain = """Steps on `x*` by `lfl.sgd` and phi_.

    theta' = theta - alpha g

Args:
    x, y: two *things*, `[batch]`:

            x = y
    form: one of
        `"a"`: the first,
        that goes on.
    other: `DataLoader`s.

Source: Somebody (2020)."""
    assert (
        "\n".join(converted(plain.split("\n")))
        == r"""Steps on ``x*`` by :py:obj:`lfl.sgd <lfl.sgd>` and phi\_.

::

    theta' = theta - alpha g

Args:
    x, y: two \*things\*, ``[batch]``:

        ::

            x = y
    form: one of

        - ``"a"``: the first,
          that goes on.
    other: ``DataLoader``\ s.

**Source:** Somebody (2020)."""
    )


def test_the_command_line_reference_has_every_command_and_option() -> None:
    import typer
    from command_sections import sections
    from lfl_cli.app import app

    text = "\n".join(sections())
    commands: dict[str, Any] = typer.main.get_command(app).commands
    assert re.findall(r"^lfl (\w+)\n-+$", text, re.M) == list(commands)
    parts = re.split(r"^\.\. program:: ", text, flags=re.M)[1:]
    for part, command in zip(parts, commands.values(), strict=True):
        options = [each for each in command.params if each.param_type_name == "option"]
        described = re.findall(r"^\.\. option:: (.*)$", part, re.M)
        assert sorted(described) == sorted(", ".join([*each.opts, *each.secondary_opts]) for each in options)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.md", "start.md", "diverges.md"])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        exec(compile(block, page, "exec"), {})


@pytest.mark.slow
def test_the_data_of_your_own_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    g = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 2
    torch.save((torch.randint(500, (200, 20), generator=g), torch.randn(200, 1, generator=g), y), "reviews.pt")
    reviews, photographs = blocks("own-data.md")
    names: dict[str, Any] = {}
    exec(reviews, names)
    task = lfl.task_from_loaders(**{part: getattr(names["reviews"](), part) for part in ("train", "test")})
    assert task.kind == "classification"
    assert task.splits["test"].x["words"].shape == (100, 20)
    assert task.splits["test"].y.tolist() == y[-100:].tolist()

    for part in ("train", "test"):
        for row in range(20):
            folder = tmp_path / "photographs" / part / ("dark", "light")[row % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (80, 70), (200 * (row % 2), 20, 20)).save(folder / f"{row}.jpg")
    exec(photographs, names)
    run = lfl.train(names["photographs"](), "logistic", "baseline", out="run", steps=30, batch_size=8, device="cpu")
    assert run.result is not None
    assert run.result.test_error == 0.0


@pytest.mark.slow
def test_the_losses_of_your_own_by_name_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "losses_of_the_page.py").write_text(blocks("own-loss.md")[1])
    size: dict[str, Any] = {"steps": 20, "device": "cpu", "offline_steps": 20}
    run = lfl.train("digits", "logistic", loss="losses_of_the_page:temperature", out="temperature", **size)
    assert run.phi["temperature"] != 1.0
    lfl.train("digits", "logistic", "baseline", loss="losses_of_the_page:generalised", out="by-hand", **size)
    based = {"loss": "residual", "base": "losses_of_the_page:generalised"}
    lfl.train("digits", "logistic", out="on-top", **based, **size)


@pytest.mark.slow
def test_methods_are_compared_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer and shorter runs, in one process."""
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("studies.md")
    smaller = code.replace('"mlp"', '"logistic"').replace(
        "seeds=5, jobs=2, steps=500", "seeds=2, steps=20, offline_steps=20"
    )
    assert smaller.count("logistic") == smaller.count("seeds=2") == 1
    exec(smaller, {})


@pytest.mark.slow
def test_the_page_for_users_of_higher_says_the_same_in_both() -> None:
    import torch

    start, ours, with_higher, _, start_learned, _ = blocks("coming-over.md")
    here: dict[str, Any] = {}
    there: dict[str, Any] = {}
    with torch.random.fork_rng():
        exec(start + ours, here)
        offset = here["phi"]["offset"]
        exec(start_learned, here)
        exec(start + with_higher, there)
    assert offset.abs().min() > 0.1
    torch.testing.assert_close(offset, there["offset"].detach())
    assert here["gradient"].keys() == here["theta"].keys()
