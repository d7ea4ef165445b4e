"""Rates are drawn of the methods that have them."""

from pathlib import Path

from lfl.report import gather
from lfl.report.rates import rate_panels

from .folders import write_run


def test_each_rate_with_the_runs_that_have_it(tmp_path: Path) -> None:
    methods = ["baseline", "ml3", "meta-lr", "adalfl", "adalfl+lr"]
    runs = [write_run(tmp_path / method, method=method, valid=[0.5]) for method in methods]
    learned, effective = rate_panels(gather(runs)[0])
    assert (learned.measure, list(learned.lines)) == ("learned learning rate", ["meta-lr", "adalfl+lr"])
    assert (effective.measure, list(effective.lines)) == ("effective learning rate", ["ml3", "adalfl", "adalfl+lr"])
    assert effective.lines["ml3"].mean.tolist() == [0.05]
    assert effective.reference == ("inner_lr=0.01", 0.01)


def test_no_reference_where_the_rates_differ_and_no_panel_where_none_is_learned(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(rate), inner_lr=rate) for rate in (0.1, 0.2)]
    assert [panel.reference for panel in rate_panels(gather(runs)[0])] == [None]
    assert rate_panels(gather([write_run(tmp_path / "baseline", method="baseline")])[0]) == []
