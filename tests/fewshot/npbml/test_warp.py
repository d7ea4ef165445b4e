import torch
import torch.nn.functional as F

from lfl.fewshot.npbml.warp import draw_warp, normalise, warp
from lfl.randomness import generator


def test_it_starts_as_batch_norm_alone_but_for_film() -> None:
    g = generator(0, "warp")
    x = torch.randn(6, 4, 3, 3, generator=g, dtype=torch.float64)
    plain = {name: t.double() for name, t in draw_warp(4, g, with_film=False).items()}
    assert torch.allclose(warp(plain, x), warp({}, x), atol=1e-12)
    assert torch.allclose(warp({}, x), torch.nn.BatchNorm2d(4, affine=False).double()(x), atol=1e-12)
    with_film = {name: t.double() for name, t in draw_warp(4, g).items()}
    zero = {name: torch.zeros_like(t) if "film" in name else t for name, t in with_film.items()}
    assert torch.allclose(warp(zero, x), warp({}, x), atol=1e-12)
    assert not torch.allclose(warp(with_film, x), warp({}, x), atol=1e-3)


def test_statistics_are_of_the_batch_in_training_and_evaluation() -> None:
    x = 3.0 + 2.0 * torch.randn(50, 2, 5, 5, generator=generator(0, "warp"))
    found = normalise(x)
    assert torch.allclose(found.mean((0, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(found.var((0, 2, 3), correction=0), torch.ones(2), atol=1e-4)


def test_a_warp_preconditions_by_a_positive_semi_definite_matrix() -> None:
    """A step of W below a fixed linear layer w changes the output as a step of the product along w w^T would."""
    g = generator(1, "warp")
    w, inner, x = (torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((4, 4), (4, 3), (7, 3)))
    y = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    of_inner = torch.func.grad(lambda inner: F.cross_entropy(x @ (w @ inner).T, y))(inner)
    of_product = torch.func.grad(lambda product: F.cross_entropy(x @ product.T, y))(w @ inner)
    assert torch.allclose(w @ of_inner, w @ w.T @ of_product, atol=1e-12)
