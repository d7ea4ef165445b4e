"""Orders to the workers of a study."""

import signal
import time
from pathlib import Path

import pytest

from lfl.run.folder import write_json
from lfl.study import Stopped, control
from lfl.study.control import Watch, orders_path, read_orders, supervise


def test_workers_stop_when_their_study_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(control, "READ_EVERY", 0.0)
    with supervise(tmp_path) as supervisor:
        watch = Watch(tmp_path, supervisor.study)
        watch.check()
        supervisor.order_stop(signal.SIGTERM)
        with pytest.raises(Stopped) as stopped:
            watch.check()
        assert (stopped.value.signal, stopped.value.ordered) == (signal.SIGTERM, True)
        with pytest.raises(Stopped):
            Watch(tmp_path, "of an earlier study").check()
    assert read_orders(tmp_path) is None


def test_workers_stop_when_their_study_is_dead(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(control, "READ_EVERY", 0.0)
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    orders_path(tmp_path).parent.mkdir()
    watch = Watch(tmp_path, "a")
    for written in range(40):  # a study that lives
        write_json(orders_path(tmp_path), {"study": "a", "written": written})
        watch.check()
    time.sleep(0.1)
    with pytest.raises(Stopped) as stopped:
        watch.check()
    assert not stopped.value.ordered
