"""Every name in the catalogue can be imported, is for what it says, and is known without torch."""

import inspect
import subprocess
import sys

import pytest
import torch

from lfl import catalogue
from lfl.entry import Entry
from lfl.loss import base_loss, draw_loss

SOURCES: dict[str, Entry] = {
    f"{table}/{name}": entry
    for table in ("TASKS", "MODELS", "LEARNED_LOSSES", "HANDMADE_LOSSES", "OBJECTIVES", "HYPERGRADIENTS")
    for name, entry in getattr(catalogue, table).items()
}


@pytest.mark.parametrize("name", SOURCES)
def test_an_entry_is_imported_and_described(name: str) -> None:
    loaded = SOURCES[name].load()
    assert callable(loaded)
    assert inspect.getdoc(loaded)
    assert "\n" not in SOURCES[name].about


@pytest.mark.parametrize("name", catalogue.LEARNED_LOSSES)
def test_a_learned_loss_is_drawn_for_its_kinds_alone(name: str) -> None:
    entry = catalogue.LEARNED_LOSSES[name]
    for kind in ("classification", "regression"):
        source = torch.Generator().manual_seed(0)
        if kind in entry.kinds:
            phi, loss = draw_loss(name, kind, num_outputs=3, generator=source)
            assert phi
            assert loss.kind == kind
        else:
            with pytest.raises(ValueError, match="is for classes"):
                draw_loss(name, kind, num_outputs=3, generator=source)


@pytest.mark.parametrize("name", catalogue.HANDMADE_LOSSES)
def test_a_handmade_loss_is_known_for_its_kind_alone(name: str) -> None:
    (kind,) = catalogue.HANDMADE_LOSSES[name].kinds
    other = {"classification": "regression", "regression": "classification"}[kind]
    assert callable(base_loss(kind, name))
    with pytest.raises(ValueError, match="hand-made loss"):
        base_loss(other, name)


def test_what_a_method_learns_is_consistent() -> None:
    for method in catalogue.METHODS.values():
        assert method.learns <= (method.learns_loss or method.learns_rate)
        assert not method.online or method.offline


def test_the_catalogue_and_the_settings_need_no_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import lfl.settings, lfl.old_names, lfl.catalogue; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["lfl"]
