"""How a candidate is evaluated: values are checked, and are values of JSON."""

import json
from typing import Any

import pytest

import lfl
from lfl.evolution import Protocol, filter_steps_for


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("local_steps", -1), ("local_steps", 2.5), ("fitness_steps", 0), ("filter_rows", True), ("inner_steps", 0)],
        *[("local_lr", 0.0), ("clip", -1.0), ("weight_noise", float("nan")), ("order", "last"), ("rejection", 0.6)],
    ],
)
def test_values_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(lfl.UserError, match=name):
        Protocol(**{name: value})


def test_a_protocol_is_its_json() -> None:
    protocol = Protocol(local_steps=0, clip=None, rejection="0.6", order="published")
    assert Protocol(**json.loads(json.dumps(protocol.as_dict()))) == protocol


def test_digits_and_mnist_have_a_short_rejection_test() -> None:
    assert [filter_steps_for(task) for task in ("digits", "mnist", "california")] == [100, 100, 1000]
    assert Protocol().filter_steps == 1000
