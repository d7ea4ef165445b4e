"""Networks of the zoo with other inputs and targets than a picture and its class: pixels, nodes, words, many labels.

Each is a module, the inputs of one batch, its targets, and how a loss reads both. The learned loss is `loss_network`
on every pixel, node, word or label, averaged over those of an example; the loss made by hand is torch's.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

CLASSES, BATCH, PIXELS, WORDS, NODES, LABELS = 5, 4, 32, 12, 9, 6

Rows = Callable[[Any, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class Kind(NamedTuple):
    """A kind of target: `rows(outputs, y)` are what one loss is of, `[batch * parts, classes]` and their targets."""

    name: str
    learned: str
    rows: Rows


def pixels(outputs: Any, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = outputs["out"] if isinstance(outputs, dict) else outputs
    return logits.movedim(1, -1).flatten(0, -2), y.flatten()


def words(outputs: Any, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = outputs.logits if hasattr(outputs, "logits") else outputs
    return logits.flatten(0, -2), y.flatten()


def labels(outputs: Any, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.sigmoid(outputs), y


DENSE = Kind("a class for each pixel", "classification", pixels)
TOKENS = Kind("a class for each word or node", "classification", words)
MULTI = Kind("several labels", "regression", labels)


def by_hand(kind: Kind, outputs: Any, y: torch.Tensor) -> torch.Tensor:
    """A loss for each example, `[batch]`."""
    predicted, targets = kind.rows(outputs, y)
    if kind is MULTI:
        return F.binary_cross_entropy(predicted, targets, reduction="none").mean(-1)
    return F.cross_entropy(predicted, targets, reduction="none").view(len(y), -1).mean(-1)


class Double(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """Ronneberger et al. (2015), with batch norm, three levels of 8 to 32 channels, and dropout at the bottom."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([Double(3, 8), Double(8, 16)])
        self.bottom = nn.Sequential(Double(16, 32), nn.Dropout2d(0.2))
        self.rise = nn.ModuleList([nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)])
        self.up = nn.ModuleList([Double(32, 16), Double(16, 8)])
        self.last = nn.Conv2d(8, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for level in self.down:
            kept.append(level(x))
            x = F.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for rise, level, skipped in zip(self.rise, self.up, reversed(kept), strict=True):
            x = level(torch.cat([skipped, rise(x)], 1))
        return self.last(x)


class GraphNetwork(nn.Module):
    """Kipf and Welling (2017): two layers of D^-1/2 (A + I) D^-1/2 H W, of an adjacency matrix and node features."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.drop = nn.Linear(7, 16), nn.Linear(16, CLASSES), nn.Dropout(0.5)

    def forward(self, adjacency: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        joined = adjacency + torch.eye(adjacency.shape[-1], dtype=adjacency.dtype, device=adjacency.device)
        degree = joined.sum(-1).rsqrt()
        spread = degree[..., :, None] * joined * degree[..., None, :]
        hidden = self.drop(torch.relu(spread @ self.first(features)))
        return spread @ self.last(hidden)


class Tagger(nn.Module):
    """A recurrent tagger: embedding, a bidirectional GRU, a class for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.gru = nn.Embedding(50, 16), nn.GRU(16, 16, batch_first=True, bidirectional=True)
        self.last = nn.Linear(32, CLASSES)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.last(self.gru(self.words(ids))[0])


class Noisy(nn.Module):
    """A variational bottleneck (Alemi et al. 2017): logits of a sample, mean + deviation * noise."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.mean, self.spread = (
            nn.Sequential(nn.Flatten(), nn.Linear(3 * PIXELS**2, 32)),
            *(nn.Linear(32, 8) for _ in range(2)),
        )
        self.last = nn.Linear(8, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.body(x))
        mean, deviation = self.mean(hidden), F.softplus(self.spread(hidden))
        return self.last(mean + deviation * torch.randn_like(mean))


def picture(g: torch.Generator) -> torch.Tensor:
    return torch.randn(BATCH, 3, PIXELS, PIXELS, generator=g, dtype=torch.float64)


def graph(g: torch.Generator) -> dict[str, torch.Tensor]:
    half = torch.triu((torch.rand(BATCH, NODES, NODES, generator=g) < 0.3).double(), 1)
    return {"adjacency": half + half.mT, "features": torch.randn(BATCH, NODES, 7, generator=g, dtype=torch.float64)}


def sentence(g: torch.Generator) -> torch.Tensor:
    return torch.randint(1, 50, (BATCH, WORDS), generator=g)


def padded(g: torch.Generator) -> dict[str, torch.Tensor]:
    """As a tokeniser gives them: ids, and which of them are words."""
    return {
        "input_ids": sentence(g),
        "attention_mask": (torch.arange(WORDS) < torch.tensor([12, 9, 7, 12])[:, None]).long(),
    }


def bert_tokens() -> nn.Module:
    import transformers as t

    config = t.BertConfig(
        vocab_size=50,
        num_labels=CLASSES,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
    )
    return t.BertForTokenClassification(config)


def gpt2_words() -> nn.Module:
    import transformers as t

    return t.GPT2LMHeadModel(t.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, use_cache=False))


def lraspp() -> nn.Module:
    from torchvision import models

    return models.get_model("lraspp_mobilenet_v3_large", weights_backbone=None, num_classes=CLASSES)


def many_labels() -> nn.Module:
    import timm

    return timm.create_model("resnet18", num_classes=LABELS)


class Network(NamedTuple):
    """A network: its builder, the inputs of a batch, and the kind, shape and number of classes of its targets."""

    build: Callable[[], nn.Module]
    inputs: Callable[[torch.Generator], Any]
    kind: Kind
    shape: tuple[int, ...]
    classes: int = CLASSES

    def targets(self, g: torch.Generator) -> torch.Tensor:
        if self.kind is MULTI:
            return (torch.rand(BATCH, *self.shape, generator=g) < 0.4).double()
        return torch.randint(self.classes, (BATCH, *self.shape), generator=g)


NETWORKS: dict[str, Network] = {
    "U-Net": Network(UNet, picture, DENSE, (PIXELS, PIXELS)),
    "lraspp_mobilenet_v3_large": Network(lraspp, picture, DENSE, (PIXELS, PIXELS)),
    "graph convolution": Network(GraphNetwork, graph, TOKENS, (NODES,)),
    "GRU tagger": Network(Tagger, sentence, TOKENS, (WORDS,)),
    "bert (tokens)": Network(bert_tokens, padded, TOKENS, (WORDS,)),
    "gpt2 (next word)": Network(gpt2_words, padded, TOKENS, (WORDS,), 50),
    "resnet18 (labels)": Network(many_labels, picture, MULTI, (LABELS,)),
    "variational bottleneck": Network(Noisy, picture, MULTI, (LABELS,)),
}
