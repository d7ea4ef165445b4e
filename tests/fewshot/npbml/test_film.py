import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from lfl.fewshot.npbml.film import as_layer, draw_film, draw_film_linear, film, film_linear, layer_of
from lfl.randomness import generator


def test_it_scales_and_shifts_by_the_means_over_space() -> None:
    g = generator(0, "film")
    layer = draw_film(3, 4, g)
    maps, features = torch.randn(5, 3, 2, 6, generator=g), torch.randn(5, 4, 7, 7, generator=g)
    both = maps.mean((2, 3)) @ layer["film.weight"].T + layer["film.bias"]
    expected = (1.0 + both[:, :4, None, None]) * features + both[:, 4:, None, None]
    assert torch.allclose(film(layer, features, maps), expected, atol=1e-6)
    assert film({}, features, maps) is features


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))
def test_a_linear_layer_with_film_of_its_own_inputs(fan_in: int, fan_out: int, rows: int) -> None:
    g = generator(0, "film")
    layer, x = draw_film_linear(fan_in, fan_out, g), torch.randn(rows, fan_in, generator=g)
    scale, shift = (x @ layer["film.weight"].T + layer["film.bias"]).chunk(2, 1)
    expected = (1.0 + scale) * (x @ layer["weight"].T + layer["bias"]) + shift
    assert torch.allclose(film_linear(layer, x), expected, atol=1e-6)
    zero = {name: torch.zeros_like(t) if "film" in name else t for name, t in layer.items()}
    plain = draw_film_linear(fan_in, fan_out, generator(0, "film"), with_film=False)
    assert torch.equal(film_linear(zero, x), film_linear(plain, x))


def test_weights_have_deviation_a_hundredth_and_biases_torchs_bounds() -> None:
    layer = draw_film_linear(100, 400, generator(0, "film"))
    for name in ("weight", "film.weight"):
        assert abs(float(layer[name].std()) - 0.01) < 2e-4
        assert abs(float(layer[name].mean())) < 2e-4
    for name in ("bias", "film.bias"):
        assert 0.095 < float(layer[name].abs().max()) <= 0.1
        assert abs(float(layer[name].std()) - 0.1 / math.sqrt(3.0)) < 3e-3


def test_names_of_layers_go_there_and_back() -> None:
    layer = draw_film_linear(2, 3, generator(0, "film"))
    assert layer_of(as_layer("2", layer) | as_layer("22", {"weight": torch.ones(1)}), "2") == layer
