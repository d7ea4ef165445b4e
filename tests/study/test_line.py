"""Lines of tables, and what is behind them."""

import pytest

import lfl
from lfl.study import candidates_of
from lfl.study.variant import Variant


def test_the_honest_rival_is_chosen_from_five_rates_about_the_tasks() -> None:
    found = candidates_of("baseline-tuned", 0.01)
    assert [each.method for each in found] == ["baseline"] * 5
    assert [each.asked for each in found] == [
        {"inner_lr": rate, "schedule": "cosine"} for rate in (0.001, 0.00316, 0.01, 0.0316, 0.1)
    ]
    assert [each.asked["inner_lr"] for each in candidates_of("baseline-tuned", 0.001)][1] == 0.000316


@pytest.mark.parametrize(
    ("label", "variant"),
    [
        ("adalfl", Variant("adalfl")),
        ("ml3 slrelu", Variant("ml3")),
        ("ml3 relu+softplus", Variant("ml3", {"loss": "relu-softplus"})),
        ("taylor-cubic", Variant("adalfl", {"loss": "taylor-cubic"})),
        ("adalfl outer_lr=1e-1", Variant("adalfl", {"outer_lr": 0.1})),
    ],
)
def test_a_label_is_a_variant(label: str, variant: Variant) -> None:
    assert candidates_of(label, 0.01) == (variant,)


def test_unknown_labels_are_named() -> None:
    with pytest.raises(lfl.UserError, match="unknown method 'taylor'"):
        candidates_of("taylor", 0.01)
