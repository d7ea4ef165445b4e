"""Cells and their folders."""

from pathlib import Path

import pytest

import lfl
from lfl.study import make_cell
from lfl.study.variant import Variant
from lfl.task import DEFAULTS

from .cases import cell


def test_common_settings_are_the_variants_but_where_it_has_its_own(tmp_path: Path) -> None:
    found = cell(tmp_path, "adalfl outer_lr=0.5 steps=9", outer_lr=0.1, inner_lr=0.2)
    assert (found.settings.outer_lr, found.settings.steps, found.settings.inner_lr) == (0.5, 9, 0.2)
    assert found.folder == tmp_path / "digits-logistic-adalfl-outer_lr=0.5-steps=9"
    assert cell(tmp_path, "adalfl", outer_lr=0.1).folder == tmp_path / "digits-logistic-adalfl"


def test_folders_stay_in_the_study(tmp_path: Path) -> None:
    own = make_cell(
        tmp_path, "../data/my own.npz", "my_net:f", Variant("fixed", {"loss_from": "../a/b"}), DEFAULTS["digits"], {}
    )
    assert own.folder == tmp_path / "my_own-my_net_f-fixed-loss_from=.._a_b"


def test_settings_out_of_range_are_named(tmp_path: Path) -> None:
    with pytest.raises(lfl.UserError, match="--outer-lr must be a finite number"):
        cell(tmp_path, "adalfl outer_lr=-1")
