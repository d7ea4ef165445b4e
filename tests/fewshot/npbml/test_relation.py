import pytest
import torch
import torch.nn.functional as F

import lfl
from lfl.fewshot import Episode
from lfl.fewshot.npbml import draw_relation, relation_error, relation_scores, scores_of, train_relation
from lfl.fewshot.npbml.film import layer_of
from lfl.fewshot.npbml.relation import _block, _block_of_pairs
from lfl.randomness import generator

from .cases import SHAPE, WAYS, double, episodes

WIDTHS = (2, 2, 3, 4)


def network() -> dict[str, torch.Tensor]:
    drawn: dict[str, torch.Tensor] = double(draw_relation(SHAPE, generator(0, "relation"), WIDTHS))
    return drawn


def test_pairs_are_convolved_as_maps_side_by_side_would_be() -> None:
    g = generator(1, "relation")
    classes, queries = (torch.randn(n, 4, 5, 5, generator=g, dtype=torch.float64) for n in (3, 6))
    params = layer_of(network(), "pairs.0")
    beside = torch.cat([classes.repeat(6, 1, 1, 1), queries.repeat_interleave(3, 0)], 1)
    assert torch.allclose(_block_of_pairs(params, classes, queries), _block(params, beside), atol=1e-12)


def test_scores_lie_between_0_and_1_and_follow_the_classes() -> None:
    x, y, query_x, _ = (t[0] for t in episodes())
    scores = relation_scores(network(), x, y, query_x, WAYS)
    assert scores.shape == (len(query_x), WAYS)
    assert bool(((scores > 0.0) & (scores < 1.0)).all())
    new_name, moved = torch.tensor([2, 0, 1]), torch.tensor([3, 0, 5, 1, 4, 2])
    again = relation_scores(network(), x[moved], new_name[y[moved]], query_x.flip(0), WAYS)
    assert torch.allclose(again[:, new_name].flip(0), scores, atol=1e-12)


def test_tasks_do_not_see_each_other() -> None:
    both = episodes()
    single = Episode(*(t[1:] for t in both))
    assert torch.allclose(scores_of(network(), both, WAYS)[1:], scores_of(network(), single, WAYS), atol=1e-12)


def test_the_published_size_of_the_last_layers() -> None:
    params = draw_relation((3, 84, 84), generator(0, "relation"))
    assert params["pairs.0.conv1"].shape == (512, 1024, 3, 3)
    assert params["score.weight"].shape == (1, 512)
    assert params["encoder.3.conv2"].shape == (512, 512, 3, 3)


@pytest.mark.slow
def test_it_learns_to_relate_and_keeps_the_best() -> None:
    valid, seen = episodes(9, num_tasks=10), []
    trained = train_relation(
        *(network(), lambda step: episodes(100 + step, num_tasks=2), valid, WAYS),
        **{"steps": 60, "lr": 0.01, "every": 20},
        progress=lambda step, numbers: seen.append((step, numbers["error"])),
    )
    assert [step for step, _ in seen] == [20, 40, 60]
    errors = [relation_error(network(), valid, WAYS), *(error for _, error in seen)]
    assert trained.error == min(errors) == relation_error(trained.params, valid, WAYS)
    assert trained.error < 0.5 * errors[0]


def test_the_loss_is_the_squared_error_against_one_hot_labels() -> None:
    one, params = episodes(num_tasks=1), network()
    numbers: dict[str, float] = {}
    train_relation(params, lambda step: one, one, WAYS, steps=1, progress=lambda _, found: numbers.update(found))
    expected = F.mse_loss(scores_of(params, one, WAYS)[0], F.one_hot(one.query_y[0], WAYS).double())
    assert numbers["loss"] == pytest.approx(float(expected), rel=1e-10)


def test_small_images_are_refused() -> None:
    with pytest.raises(lfl.UserError, match="16 x 16"):
        draw_relation((1, 8, 8), generator(0, "relation"))
