"""The folder of a search as data: whatever is in it, it is read back as it was, or refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lfl.errors import UserError
from lfl.evolution.api import start
from lfl.evolution.folder import candidate_of, line_of, read_search
from lfl.evolution.search import generation, replay
from lfl.evolution.state import Evaluated, State
from lfl.run.searched import CANDIDATES, SEARCH, read_candidates

from ..run.mutants import VALUES
from .test_search import by_size


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three generations, evaluated by size."""
    out = tmp_path_factory.mktemp("searches") / "search"
    start(*("digits", "logistic", "evomal", ["abs(log(y*f))"], out, None, "cpu"), population=4, generations=3)
    search, state = read_search(out).search(), State()
    with (out / CANDIDATES).open("wb") as file:
        while not search.over(state):
            for step in generation(search, state, by_size):
                file.write(line_of(step.found))
                state = step.state
    return out


def candidates(folder: Path) -> list[Evaluated]:
    search = read_search(folder).search()
    found = [candidate_of(line, search, "here") for line in read_candidates(folder)]
    replay(search, found, "here")
    return found


def test_lines_are_read_as_they_were_written(folder: Path) -> None:
    assert b"".join(line_of(each) for each in candidates(folder)) == (folder / CANDIDATES).read_bytes()


def quietly(test: Any) -> Any:
    return settings(
        max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )(test)


@quietly
@given(data=st.data())
def test_a_changed_line_is_refused_or_makes_no_difference_to_the_search(
    folder: Path, tmp_path: Path, data: st.DataObject
) -> None:
    lines = (folder / CANDIDATES).read_bytes().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    line = json.loads(lines[number])
    name = data.draw(st.sampled_from(sorted(line)))
    lines[number] = json.dumps(line | {name: data.draw(st.sampled_from(VALUES))}).encode()
    (tmp_path / SEARCH).write_bytes((folder / SEARCH).read_bytes())
    (tmp_path / CANDIDATES).write_bytes(b"\n".join(lines) + b"\n")
    try:
        found = candidates(tmp_path)
    except UserError:
        return
    assert [each.tree for each in found[: number + 1]] == [each.tree for each in candidates(folder)[: number + 1]]


@quietly
@given(data=st.data())
def test_changed_settings_are_refused_or_are_settings(folder: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = json.loads((folder / SEARCH).read_bytes())
    part = data.draw(st.sampled_from(["", "settings", "evolution", "facts"]))
    place = content[part] if part else content
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(st.sampled_from(VALUES))
    (tmp_path / SEARCH).write_text(json.dumps(content))
    try:
        read = read_search(tmp_path)
        read.search()
    except UserError:
        return
    assert read.evolution.population <= 10_000
