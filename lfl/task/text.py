"""A task from a text: each window of it is an input, and at each of its characters the next one is to be predicted."""

import hashlib
from pathlib import Path

from ..data.splits import DIGEST_BYTES, Split
from ..data.text import ids_of, read_text, vocabulary_of, windows
from ..errors import UserError
from .defaults import Defaults
from .encoding import Encoding
from .task import FEWEST_VALID, UNSCALED, Task

CONTEXT = 128
"""Characters that a model sees at once, by default."""

MOST_CONTEXT = 65_536

SHARE = 0.05
"""Share of a text that is valid, and the same again for test, and for eval if there is one."""

MOST_OUTPUTS = 2**26
"""The greatest number of outputs over a part that is measured as a whole."""

FEWEST_TRAIN = 20
"""The fewest windows of train, one after the other."""

DEFAULTS = Defaults(
    steps=2000,
    inner_lr=1e-3,
    batch_size=32,
    offline_steps=500,
    theta_init="architecture",
    optimizer="adam",
)
"""Adam, as is usual for transformers: plain gradient descent hardly moves them."""


def task_from_text(
    text: str,
    *,
    context: int | None = None,
    valid: str | None = None,
    name: str = "text",
    valid_size: int | None = None,
    eval_split: bool = False,
) -> Task:
    """Builds a `Task` from a text: a model sees a window of characters, and predicts at each the one that follows.

    The text is cut by position: train is its beginning, then come valid, eval where there is one, and test, 5 % each,
    but at most 2**26 / vocabulary characters and at least five windows. No window reaches over a cut. A step draws
    windows of train at any offset; the other parts are cut into windows that lie one after the other, so that an error
    on them counts each character once, and what is left of less than a window is left out.

    Args:
        text: any characters but the zero byte.
        context: characters of a window; 128 when omitted.
        valid: clean text of your own, in place of a part of `text`.
        name: name of the task.
        valid_size: windows of valid; 5 % of the text when omitted.
        eval_split: whether a fourth part is held out.

    Returns:
        The task: ids of characters, `[windows, context]`, as inputs and as targets; `encoding.classes` is the
        vocabulary: every character of the whole text and of `valid`, in the order of Unicode.

    Raises:
        UserError: too short a text, fewer than two different characters, or sizes that do not fit.

    Example:
        >>> task = task_from_text("to be, or not to be: " * 100, context=8)
        >>> task.input_shape, task.num_outputs, "".join(task.encoding.classes)
        ((8,), 9, ' ,:benort')
        >>> task.train.pick(slice(1))
        Split(x=tensor([[8, 6, 0, 3, 4, 1, 0, 6]]), y=tensor([[6, 0, 3, 4, 1, 0, 6, 7]]))
    """
    context = CONTEXT if context is None else context
    if not 1 <= context <= MOST_CONTEXT:
        raise UserError(f"{name}: --context must be a whole number from 1 to {MOST_CONTEXT:,}, got {context}.")
    if valid is not None and valid_size is not None:
        raise UserError(f"{name}: --valid-size is for clean text split off train, and you give your own; leave it out.")
    if "\0" in text + (valid or ""):
        raise UserError(f"{name} holds a zero byte, so that it is no text.")
    vocabulary = vocabulary_of(text, valid or "")
    if len(vocabulary) < 2:
        raise UserError(
            f"{name} has {len(text)} characters, {len(vocabulary)} different ones; give a text of at least two "
            "different ones."
        )
    ids = ids_of(text, vocabulary)
    held = _held(len(ids), context, len(vocabulary))
    sizes = {} if valid is not None else {"valid": held if valid_size is None else valid_size * context + 1}
    sizes |= ({"eval": held} if eval_split else {}) | {"test": held}
    needed = sum(sizes.values()) + FEWEST_TRAIN * context + 1
    if min(sizes.values()) <= context or len(ids) < needed:
        smaller = "a smaller --valid-size, " if valid_size is not None else ""
        raise UserError(
            f"{name} has {len(ids):,} characters; windows of {context} of them need at least {needed:,}, so that there "
            f"are some to train on and some to test on: give {smaller}a longer text or a smaller --context."
        )
    parts = {"train": ids[: len(ids) - sum(sizes.values())]}
    start = len(parts["train"])
    for part, size in sizes.items():
        parts[part], start = ids[start : start + size], start + size
    if valid is not None:
        parts["valid"] = ids_of(valid, vocabulary)
        if len(parts["valid"]) <= FEWEST_VALID * context:
            raise UserError(
                f"{name}: the clean text (valid) has {len(valid):,} characters; give at least "
                f"{FEWEST_VALID * context + 1:,}, {FEWEST_VALID} windows of {context}."
            )
    splits = {part: Split(*windows(own, context, 1 if part == "train" else context)) for part, own in parts.items()}
    encoding = Encoding("classification", (context,), len(vocabulary), UNSCALED, classes=vocabulary, tokens=True)
    return Task(
        name,
        encoding,
        splits["train"],
        splits["valid"],
        splits["test"],
        DEFAULTS,
        eval=splits.get("eval"),
        digest=_digest(text, valid),
    )


def task_from_text_file(
    path: Path,
    valid: Path | None = None,
    *,
    context: int | None = None,
    valid_size: int | None = None,
    eval_split: bool = False,
) -> Task:
    """Builds the task of a text in a file.

    Args:
        path: of the text, in UTF-8.
        valid: of the user's own clean text.
        context, valid_size, eval_split: as in `task_from_text`.

    Raises:
        UserError: as `task_from_text`; a file cannot be read, or is no text in UTF-8.
    """
    return task_from_text(
        read_text(path),
        context=context,
        valid=None if valid is None else read_text(valid),
        name=str(path),
        valid_size=valid_size,
        eval_split=eval_split,
    )


def _held(characters: int, context: int, vocabulary: int) -> int:
    """Characters of a part that is held out, of which the last is a target alone."""
    most = max(FEWEST_VALID * context, MOST_OUTPUTS // vocabulary)
    return min(max(round(SHARE * characters), FEWEST_VALID * context), most) + 1


def _digest(text: str, valid: str | None) -> str:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in (text, valid):
        digest.update(b"none" if part is None else f"{len(part)} ".encode() + part.encode())
    return digest.hexdigest()
