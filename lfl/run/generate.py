"""Continues a text with the trained model of a run."""

import torch

from ..data.text import ids_of
from ..errors import UserError
from ..randomness import generator
from .load import Model

LENGTH = 500
"""Characters that are drawn by default."""


@torch.no_grad()
def generate(model: Model, prompt: str, length: int = LENGTH, *, temperature: float = 1.0, seed: int = 0) -> str:
    """Continues a text, one character after the other, each drawn from the model's probabilities.

        p_i = softmax(z / temperature)_i        z the logits after the last characters, as many as the model sees

    Args:
        model: of a run on a text.
        prompt: at least one character, all known to the model.
        length: characters to draw.
        temperature: below 1 likelier characters are drawn more often; 0 takes the likeliest each time.
        seed: of the draws; on the same machine and torch the same text for the same seed.

    Returns:
        The characters that follow the prompt.

    Raises:
        UserError: a run on something else, an empty prompt, a character that the text of the run did not have, or
            numbers out of range.
    """
    encoding = model.encoding
    if not encoding.tokens or encoding.classes is None:
        raise UserError(f"only a text is continued, and the run was trained on {model.settings.task}; give inputs.")
    if not prompt:
        raise UserError("the prompt is empty; give at least one character to continue.")
    if length < 0 or not 0.0 <= temperature < float("inf") or seed < 0:
        raise UserError(f"length, temperature and seed must be at least 0, got {length}, {temperature} and {seed}.")
    (context,), device = encoding.input_shape, next(iter(model.theta.values())).device
    ids = ids_of(prompt, encoding.classes, "the prompt")[-context:].tolist()
    drawn: list[int] = []
    for place in range(length):
        seen = torch.tensor([(ids + drawn[-context:])[-context:]], device=device)
        logits = model.apply_fn(model.theta, model.buffers, seen, training=False)[0][0, -1].cpu().double()
        drawn.append(_drawn(logits, temperature, generator(seed, "generate", place)))
    return "".join(encoding.classes[i] for i in drawn)


def _drawn(logits: torch.Tensor, temperature: float, source: torch.Generator) -> int:
    if temperature == 0.0:
        return int(logits.argmax())
    likely = torch.softmax((logits - logits.max()) / temperature, -1)
    return int(torch.multinomial(likely, 1, generator=source))
