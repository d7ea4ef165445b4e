"""The task of a text: parts that share no window, and all that a text can lack."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lfl
from lfl.errors import UserError
from lfl.task import load_task
from lfl.task.encoding import Encoding
from lfl.task.text import FEWEST_TRAIN, MOST_OUTPUTS
from lfl.training import resolve

WORDS = "to be, or not to be, that is the question: "


def parts_of(task: Any) -> dict[str, torch.Tensor]:
    """For each part the places in the text that its windows and their targets cover, where character i is unique."""
    found = {}
    for name, split in task.splits.items():
        codes = torch.tensor([ord(c) for c in task.encoding.classes])
        found[name] = torch.cat([codes[split.x].flatten(), codes[split.y].flatten()]).unique()
    return found


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(600, 2000),
    context=st.integers(1, 8),
    eval_split=st.booleans(),
    valid_size=st.none() | st.integers(1, 40),
)
def test_no_character_is_in_two_parts(size: int, context: int, eval_split: bool, valid_size: int | None) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(size))  # each character is another
    task = lfl.task_from_text(text, context=context, eval_split=eval_split, valid_size=valid_size)
    parts = parts_of(task)
    together = torch.cat(list(parts.values()))
    assert len(together.unique()) == len(together)
    assert parts["train"].min() == 0x4E00
    assert parts["train"].max() < parts["valid"].min() < parts["test"].min()
    assert len(parts["train"]) == parts["train"].max() - 0x4E00 + 1  # all of it
    assert len(task.train.y) == len(parts["train"]) - context  # a window at each offset
    for name in ("valid", "test"):  # each character once
        y = task.splits[name].y
        assert len(y.unique()) == y.numel()
    assert valid_size is None or len(task.valid.y) == valid_size


def test_targets_are_the_characters_that_follow() -> None:
    task = lfl.task_from_text(WORDS * 50, context=16)
    for split in task.splits.values():
        assert torch.equal(split.x[:, 1:], split.y[:, :-1])
    names = task.encoding.classes or []
    assert "".join(names[i] for i in task.train.x[3].tolist()) == (WORDS * 2)[3:19]
    assert (task.kind, task.tokens, task.num_outputs) == ("classification", True, len(set(WORDS)))


def test_held_out_parts_are_a_twentieth_until_they_are_too_large_to_measure() -> None:
    sizes = {n: len(s.y) for n, s in lfl.task_from_text(WORDS * 1000, context=20).splits.items()}
    assert sizes == {"train": 43_000 - 2 * 2151 - 20, "valid": 107, "test": 107}
    wide = "".join(chr(0x4E00 + i) for i in range(9000))
    task = lfl.task_from_text(wide * 20, context=10)
    assert task.test.y.numel() * 9000 <= MOST_OUTPUTS < 0.05 * 9000 * 20 * 9000


def test_a_text_is_trained_with_adam_and_without_a_method_s_momentum() -> None:
    task = lfl.task_from_text(WORDS * 50, context=16)
    settings = resolve(task.defaults, method="residual", loss="true-class")
    assert (settings.optimizer, settings.momentum, settings.theta_init) == ("adam", 0.0, "architecture")
    assert resolve(task.defaults, method="residual", optimizer="sgd").momentum == 0.9


def test_the_vocabulary_survives_its_file() -> None:
    strange = "a\n\r\t \x1b\x7f\u2028é🙂\ufeff漢\U0010ffff'\"\\"
    task = lfl.task_from_text(strange * 100, context=4)
    again = Encoding.of(json.loads(json.dumps(task.encoding.content())), "here")
    assert again.classes == sorted(strange)
    assert again.tokens


def test_clean_text_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(WORDS * 50)
    (tmp_path / "clean.txt").write_text("a clean Text. " * 20)
    task = load_task(str(tmp_path / "text.txt"), tmp_path, valid=str(tmp_path / "clean.txt"), context=16)
    assert task.valid_from == str(tmp_path / "clean.txt")
    assert "T" in (task.encoding.classes or [])
    names = task.encoding.classes or []
    assert "".join(names[i] for i in task.valid.x[0].tolist()) == "a clean Text. a "
    other = load_task(str(tmp_path / "text.txt"), tmp_path, context=16)
    assert other.digest != task.digest


@pytest.mark.parametrize(
    "change",
    [{"classes": [0, 1, 2]}, {"classes": ["b", "a", "c"]}, {"classes": ["a", "b", "cd"]}, {"classes": None},
     {"input_shape": [4, 2]}],
)  # fmt: skip
def test_a_damaged_vocabulary_is_refused(change: dict[str, Any]) -> None:
    content = lfl.task_from_text("abc" * 200, context=4).encoding.content()
    assert Encoding.of(content, "here").classes == ["a", "b", "c"]
    with pytest.raises(UserError, match="here is damaged"):
        Encoding.of(content | change, "here")


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "has 0 characters, 0 different ones"),
        ("aaaa", {}, "has 4 characters, 1 different"),
        (WORDS, {}, r"has 43 characters; windows of 128 of them need at least 3,843"),
        (WORDS * 50, {"context": 0}, "--context must be a whole number from 1 to 65,536, got 0"),
        (WORDS * 50, {"context": 16, "valid_size": 200}, "give a smaller --valid-size"),
        (WORDS * 50, {"context": 16, "valid_size": 0}, "give a smaller --valid-size"),
        (WORDS * 50, {"context": 16, "valid": "to be"}, "clean text .* has 5 characters; give at least 81, 5 windows"),
        (WORDS * 50, {"valid": WORDS, "valid_size": 3}, "--valid-size is for clean text split off train"),
        ("a\0b" * 1000, {}, "zero byte"),
    ],
)
def test_what_does_not_make_a_task_is_refused(text: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        lfl.task_from_text(text, **options)


def test_the_least_text_that_is_enough() -> None:
    needed = 2 * (5 * 16 + 1) + FEWEST_TRAIN * 16 + 1
    text = (WORDS * 50)[:needed]
    assert len(lfl.task_from_text(text, context=16).test.y) == 5
    with pytest.raises(UserError, match=f"need at least {needed}"):
        lfl.task_from_text(text[:-1], context=16)


def test_options_of_other_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(WORDS * 100)
    for options, words in (
        ({"kind": "classification"}, "--kind is for arrays and tables"),
        ({"target": "x"}, "--target is for a .csv"),
        ({"valid": "clean.csv"}, "--valid needs a .txt"),
    ):
        with pytest.raises(UserError, match=words):
            load_task(str(path), tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"--context is for a \.txt"):
        load_task(str(tmp_path / "t.csv"), tmp_path, context=8, target="x")
    with pytest.raises(UserError, match="--context is for your own data"):
        load_task("digits", tmp_path, context=8)
