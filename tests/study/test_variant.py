"""Variants as one writes them."""

import pytest

import lfl
from lfl.study.variant import Variant, parse_variant


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
        ("ml3 inner_steps=five", "inner_steps must be a whole number, but 'five' came"),
        ("ml3 outer_lr=", "outer_lr must be a number"),
        ("ml3 redraw_theta=no", "redraw_theta must be true or false, but 'no' came"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(lfl.UserError, match=words):
        parse_variant(text)


def test_the_objective_and_what_is_kept_are_settings_like_others() -> None:
    asked = parse_variant("adalfl objective=my_module:function keep=best").asked
    assert asked == {"objective": "my_module:function", "keep": "best"}
