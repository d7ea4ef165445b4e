"""Experiments: their folders, and the lines and variants behind them."""

from pathlib import Path

import pytest

import lfl
from lfl.study import Variant, candidates_of, make_experiment, parse_variant
from lfl.task import DEFAULTS

from .cases import experiment


def test_common_settings_are_the_variants_but_where_it_has_its_own(tmp_path: Path) -> None:
    found = experiment(tmp_path, "adalfl outer_lr=0.5 steps=9", outer_lr=0.1, inner_lr=0.2)
    assert (found.settings.outer_lr, found.settings.steps, found.settings.inner_lr) == (0.5, 9, 0.2)
    assert found.folder == tmp_path / "digits-logistic-adalfl-outer_lr=0.5-steps=9"
    assert experiment(tmp_path, "adalfl", outer_lr=0.1).folder == tmp_path / "digits-logistic-adalfl"


def test_folders_stay_in_the_study(tmp_path: Path) -> None:
    own = make_experiment(
        tmp_path, "../data/my own.npz", "my_net:f", Variant("fixed", {"loss_from": "../a/b"}), DEFAULTS["digits"], {}
    )
    assert own.folder == tmp_path / "my_own-my_net_f-fixed-loss_from=.._a_b"


def test_settings_out_of_range_are_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="--outer-lr must be a finite number"):
        experiment(tmp_path, "adalfl outer_lr=-1")


def test_the_tuned_baseline_is_chosen_from_five_rates_about_the_tasks() -> None:
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


@pytest.mark.parametrize(
    ("text", "method", "asked"),
    [
        ("baseline", "baseline", {}),
        (" adalfl  outer-lr=1e-4 ", "adalfl", {"outer_lr": 1e-4}),
        ("ml3 inner_steps=5 loss=taylor-cubic", "ml3", {"inner_steps": 5, "loss": "taylor-cubic"}),
        ("adalfl redraw_theta=false clip_norm=2", "adalfl", {"redraw_theta": False, "clip_norm": 2.0}),
        ("adalfl meta_batch_size=32", "adalfl", {"meta_batch_size": 32}),
    ],
)
def test_values_have_their_settings_types(text: str, method: str, asked: dict) -> None:
    variant = parse_variant(text)
    assert variant == Variant(method, asked)
    assert {name: type(value) for name, value in variant.asked.items()} == {n: type(v) for n, v in asked.items()}
    assert parse_variant(str(variant).replace("False", "false")) == variant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("maml", "unknown method 'maml'"),
        ("", "unknown method ''"),
        ("ml3 five", "write it as"),
        ("ml3 inner_stepz=5", "unknown setting of ml3 'inner_stepz'"),
        ("ml3 seed=5", "unknown setting of ml3 'seed'"),
        ("ml3 inner_steps=five", "inner_steps must be a whole number, got 'five'"),
        ("ml3 outer_lr=", "outer_lr must be a number"),
        ("ml3 redraw_theta=no", "redraw_theta must be true or false, got 'no'"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        parse_variant(text)


def test_the_objective_and_what_is_kept_are_settings_like_others() -> None:
    asked = parse_variant("adalfl objective=my_module:function keep=best").asked
    assert asked == {"objective": "my_module:function", "keep": "best"}
