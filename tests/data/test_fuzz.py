"""Data files that were changed at random: `load_task` and `predict` work, or say in two lines at most why not."""

import io
import resource
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import lfl
from lfl.run import execute, predict
from lfl.task import Task, load_task
from lfl.training import resolve

pytestmark = pytest.mark.slow

CASES = 300
"""Of each of the six tests."""

MOST_GROWTH = 400_000
"""Of the process over a test, in KiB."""

many = settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))

NUMBERS = ["1", "2.5", "-3e5", "1700000000.25", "9007199254740993", "1e999", "+inf", "1_0", "0x10", " 7 ", "٣"]
WORDS = ["", "?", "-", "nan", "n.a.", "none", "red", "é", '"a,b"', '"x\ny"', "\x00", "\x1b[31m", "=1+1", "x" * 200]
CELLS = st.sampled_from([*NUMBERS, *WORDS])
NEW = st.binary(min_size=1, max_size=4) | st.sampled_from([b",", b"\n", b'"', b"1", b"x", b"'", b"(", b"\0"])
EDITS = st.just([]) | st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["replace", "replace", "insert", "delete", "cut"]), NEW), max_size=3
)
TYPES = [
    "f8",
    "f4",
    "f2",
    "i8",
    "i4",
    "u1",
    "u8",
    "?",
    "c16",
    "M8[s]",
    "m8[D]",
    "S3",
    "U3",
    "O",
    "i4,f8",
    ">f8",
    "g",
    "V4",
]
SHAPES = [
    (),
    (0,),
    (40,),
    (40, 3),
    (40, 1),
    (40, 0),
    (0, 3),
    (40, 4, 4),
    (40, 3, 4, 4),
    (40, 2, 2, 2, 2),
    (39, 3),
    (1, 3),
]


def edited(content: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    """Bytes replaced, put in, taken out or cut off at places from 0 to 1."""
    for where, how, new in edits:
        at = int(where * len(content))
        after = {
            "replace": content[at + len(new) :],
            "insert": content[at:],
            "delete": content[at + len(new) :],
            "cut": b"",
        }
        content = content[:at] + (b"" if how in ("delete", "cut") else new) + after[how]
    return content


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """40 rows with a few cells, names or bytes changed."""
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "y", "", "a\nb", "$x{}"]), min_size=3, max_size=5))
    names = draw(st.sampled_from([["a", "b", "c", "y"]] * 3 + [names]))
    rows = [[f"{i * 7 % 11}.5", str(i), "red" if i % 3 else "blue", "yes" if i % 2 else "no"] for i in range(40)]
    for _ in range(draw(st.integers(0, 4))):
        rows[draw(st.integers(0, 39))][draw(st.integers(0, 3))] = draw(CELLS)
    column = draw(st.none() | st.integers(0, 3))
    if column is not None:
        values = draw(st.lists(CELLS, min_size=1, max_size=6))
        for i, row in enumerate(rows):
            row[column] = values[i % len(values)]
    text = "\n".join(",".join(row) for row in [names, *rows])
    return edited(text.encode(draw(st.sampled_from(["utf-8"] * 8 + ["utf-16", "utf-8-sig"]))), draw(EDITS))


@st.composite
def arrays(draw: st.DrawFn, *names: str) -> bytes:
    """Arrays of any type and shape, with a few bytes changed."""
    file = io.BytesIO()
    content = {}
    tested, judged = draw(st.booleans()), draw(st.booleans())
    for name in names:
        if name.endswith("test") and draw(st.sampled_from([tested, tested, not tested])):
            continue
        if name.endswith("valid") and draw(st.sampled_from([judged, judged, not judged])):
            continue
        likely = (40, 3) if name.startswith("x") else (40,)
        shape = draw(st.sampled_from([likely] * 36 + SHAPES))
        dtype = draw(st.sampled_from(["f8", "i8"] * 16 + TYPES))
        values = np.arange(np.prod(shape, dtype=int)) % draw(st.sampled_from([1, 2, 2, 3, 7]))
        values = values * draw(st.sampled_from([1, 1, 1, 1, 1, 2**60, 10**9]))
        with np.errstate(all="ignore"):
            array = values.astype("i4").astype(dtype) if dtype in ("i4,f8", "V4", "m8[D]") else values.astype(dtype)
            if array.dtype.kind == "f" and draw(st.integers(0, 3)) == 0 and array.size:
                array[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from([np.nan, np.inf, 1e300]))
        content[name] = array.reshape(shape)
    np.savez(file, **content)
    whole = file.getvalue()
    if draw(st.integers(0, 5)) == 0:  # anew, with a member changed inside, so that its checksum is right
        again = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as new:
            for info in old.infolist():
                new.writestr(info.filename, edited(old.read(info), draw(EDITS)))
        whole = again.getvalue()
    return edited(whole, draw(EDITS))


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """A picture of some kind, with a few bytes changed."""
    mode, form = draw(
        st.sampled_from(
            [(mode, "PNG") for mode in ("L", "RGB", "RGBA", "P", "1", "LA", "I;16", "L", "RGB")]
            + [
                ("L", "JPEG"),
                ("RGB", "JPEG"),
                ("CMYK", "JPEG"),
                ("L", "BMP"),
                ("L", "PPM"),
                ("RGB", "WEBP"),
                ("L", "GIF"),
            ]
            + [("I", "TIFF"), ("F", "TIFF"), ("I;16", "PPM")]
        )
    )
    size = draw(st.sampled_from([(4, 4)] * 8 + [(5, 4), (1, 1), (300, 2)]))
    file = io.BytesIO()
    Image.new(mode, size, draw(st.integers(0, 255)) if mode in ("L", "P", "I", "I;16") else None).save(file, form)
    return edited(file.getvalue(), draw(EDITS))


def checked(call: Callable[[], object]) -> bool:
    """Whether a call works; if not, it says so in two lines at most."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        call()
        worked = True
    except lfl.LflError as error:
        words = str(error)
        assert words
        assert words.count("\n") <= 1, words
        assert len(words) < 1000, words
        worked = False
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH
    return worked


def sound(task: Task) -> None:
    """Nothing that is loaded is empty, infinite or beyond its classes."""
    for split in task.splits.values():
        assert len(split.x) == len(split.y) > 0
        assert bool(split.x.isfinite().all())
        if task.kind == "classification":
            assert int(split.y.min()) >= 0
            assert int(split.y.max()) < task.num_outputs
        else:
            assert bool(split.y.isfinite().all())


@many
@given(tables(), st.sampled_from([None, None, "classification", "regression"]), st.sampled_from(["y", "y", "c", "b"]))
def test_tables(content: bytes, kind: str | None, target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.csv").write_bytes(content)
        checked(lambda: sound(load_task(f"{folder}/t.csv", Path(folder), target=target, kind=kind)))
        assert [path.name for path in Path(folder).iterdir()] == ["t.csv"]


@many
@given(tables(), tables(), st.sampled_from(["y", "y", "c", "b"]))
def test_clean_tables(content: bytes, clean: bytes, target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.csv").write_bytes(content)
        (Path(folder) / "v.csv").write_bytes(clean)
        checked(lambda: sound(load_task(f"{folder}/t.csv", Path(folder), target=target, valid=f"{folder}/v.csv")))
        assert sorted(path.name for path in Path(folder).iterdir()) == ["t.csv", "v.csv"]


@many
@given(
    arrays("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
    st.sampled_from([None, None, "classification", "regression"]),
    st.sampled_from([None, None, None, 1, 5, 17, 100]),
)
def test_arrays(content: bytes, kind: str | None, size: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.npz").write_bytes(content)
        named = {"kind": kind, "valid_size": size}
        checked(lambda: sound(load_task(f"{folder}/t.npz", Path(folder), **named, eval_split=True)))
        assert [path.name for path in Path(folder).iterdir()] == ["t.npz"]


@many
@given(st.lists(pictures(), min_size=1, max_size=2))
def test_pictures(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for i in range(24):
            path = Path(folder) / str(i % 2) / f"{i:02}.png"
            path.parent.mkdir(exist_ok=True)
            if i < len(contents):
                path.write_bytes(contents[i])
            else:
                Image.new("L", (4, 4), i).save(path)
        before = sorted(Path(folder).rglob("*"))
        checked(lambda: sound(load_task(f"{folder}/", Path(folder))))
        assert sorted(Path(folder).rglob("*")) == before


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table and one on arrays."""
    folder = tmp_path_factory.mktemp("runs")
    rows = "".join(f"{i * 7 % 11}.5,{i},{'red' if i % 3 else 'blue'},{'yes' if i % 2 else 'no'}\n" for i in range(40))
    (folder / "t.csv").write_text(f"a,b,c,y\n{rows}")
    np.savez(folder / "t.npz", x_train=np.arange(120.0).reshape(40, 3), y_train=np.arange(40) % 2)
    for name, target in (("t.csv", "y"), ("t.npz", None)):
        task = load_task(str(folder / name), folder, target=target)
        asked = {"model": "logistic", "method": "baseline", "steps": 2, "compile": "off", "target": target}
        execute(task, resolve(task.defaults, task=task.name, **asked), folder / name[2:])
    return folder


def predicts(run: Path, name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / name, Path(folder) / "out.csv"
        source.write_bytes(content)
        worked = checked(lambda: predict(run, source, out))
        assert sorted(path.name for path in Path(folder).iterdir()) == sorted([name] + ["out.csv"] * worked)
        assert not worked or "nan" not in out.read_text()


@many
@given(content=tables())
def test_predictions_for_tables(runs: Path, content: bytes) -> None:
    predicts(runs / "csv", "new.csv", content)


@many
@given(content=arrays("x"))
def test_predictions_for_arrays(runs: Path, content: bytes) -> None:
    predicts(runs / "npz", "new.npz", content)
