"""A small transformer that reads whole numbers and predicts the next one at each position (Radford et al. 2019)."""

import math

import torch
from torch import nn

from ..errors import UserError

DEVIATION = 0.02
"""Standard deviation of the first weights, as in GPT-2."""


def gpt_mini(input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
    """Builds `gpt` with 4 blocks of 4 heads, 128 wide: 835,328 parameters for windows of 128 of 100 characters.

    Raises:
        UserError: the input is not a row of ids.
    """
    return gpt(input_shape, num_outputs)


def gpt(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    dropout: float = 0.0,
) -> nn.Module:
    """Builds a decoder-only transformer: pre-norm blocks, learned positions, GELU, and a head of its own (not tied).

    Args:
        input_shape: `(context,)`, the ids of one input; the model also takes shorter ones.
        num_outputs: size of the vocabulary, of the inputs and of the outputs.
        layers: how many blocks.
        heads: attention heads of a block.
        width: numbers at each position; a multiple of `heads`.
        dropout: share that is dropped after the embedding, and of what each half of a block adds.

    Returns:
        A module from ids `[batch, length]` to logits `[batch, length, num_outputs]`.

    Raises:
        UserError: the input is not a row of ids, or sizes that do not fit.

    Example:
        >>> gpt((16,), 50, layers=2, heads=2, width=8)(torch.zeros(3, 5, dtype=torch.long)).shape
        torch.Size([3, 5, 50])
    """
    if len(input_shape) != 1:
        raise UserError(
            f"a gpt needs a row of ids, [context], as a .txt task has, got inputs {list(input_shape)}; choose another "
            "--model."
        )
    if min(layers, heads, width) < 1 or width % heads:
        raise UserError(
            f"a gpt needs at least one block, and a width that is a multiple of its heads, got {layers} blocks of "
            f"{heads} heads, {width} wide."
        )
    return GPT(input_shape[0], num_outputs, layers, heads, width, dropout)


class GPT(nn.Module):
    """Token and position embeddings, blocks, a norm and a linear head; the arguments are those of `gpt`."""

    def __init__(self, context: int, vocabulary: int, layers: int, heads: int, width: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = _dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self._draw(layers)

    def _draw(self, layers: int) -> None:
        """Draws weights as GPT-2: what is added to the stream is smaller the more blocks add to it."""
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                added = name.endswith(("attention.out.weight", "feed_forward.2.weight"))
                nn.init.normal_(parameter, std=DEVIATION / math.sqrt(2 * layers) if added else DEVIATION)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Computes logits `[batch, length, vocabulary]` of what follows each of the ids `[batch, length]`."""
        length, context = ids.shape[1], self.positions.num_embeddings
        if ids.is_floating_point():
            raise UserError(f"a gpt reads ids, whole numbers, got {ids.dtype}; choose another --model for such inputs.")
        if length > context:
            raise UserError(f"this gpt reads at most {context} ids, got {length}; give it the last {context}.")
        x = self.tokens(ids) + self.positions(torch.arange(length, device=ids.device))
        logits: torch.Tensor = self.head(self.norm(self.blocks(self.dropout(x))))
        return logits


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)), of `[batch, length, width]`."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = _dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the block's output, of the input's shape."""
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        out: torch.Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return out


class CausalAttention(nn.Module):
    """Softmax attention of several heads, in which a position sees itself and those before it.

    It is written out, since no fused kernel has second derivatives or forward mode.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes softmax(q k' / sqrt(width / heads)) v of each head, and a linear map of all heads."""
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // self.heads)
        place = torch.arange(length, device=x.device)
        weights = scores.masked_fill(place > place[:, None], -math.inf).softmax(-1)
        out: torch.Tensor = self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return out


def _dropout(share: float) -> nn.Module:
    return nn.Dropout(share) if share else nn.Identity()
