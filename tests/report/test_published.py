"""The paper's figures as the package carries them."""

from lfl.report.published import ablation, table_1, table_2


def test_figures_of_the_text() -> None:
    assert table_1("mnist", "logistic")["adalfl"] == (0.0697, 0.0010)
    assert list(table_1("crime", "mlp")) == ["baseline", "ml3", "meta-lr", "adalfl"]
    assert table_1("digits", "mlp") == {}
    assert table_2("mnist", "lenet5")["adalfl"] == 0.67
    assert table_2("digits", "mlp") == {}
    assert ablation(6, "mnist", "lenet5")["adalfl outer_lr=1e-5"] == (0.0091, 0.0004)
    assert ablation(4, "crime", "mlp")["taylor-quadratic"] is None
