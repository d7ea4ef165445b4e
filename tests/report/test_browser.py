"""The page in a real browser: what is drawn, what can be moved, and what a screen reader announces."""

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lfl.report import collect_runs, write_page
from lfl.run.history import read_curves

from .folders import write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install 'lfl[dev]'")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no browser is installed: apt-get install chromium")

HOSTILE = "</script><script>hostile=1</script><img src=x onerror=hostile=1>.npz"
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # the sandbox does not start for root
        browser = playwright.chromium.launch(executable_path=BROWSER, args=alone)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about several seeds and methods, long and hostile names among them."""
    folder = tmp_path_factory.mktemp("page")
    runs = [
        write_run(folder / f"{'a-long-name-' * 8}{method}-{seed}", method=method, seed=seed, model="lenet5")
        for method in ("baseline", "ml3", "meta-lr", "adalfl")
        for seed in (0, 1)
    ]
    runs.append(write_run(folder / "<img src=x onerror=hostile=1>", task=HOSTILE, kind="regression"))
    write_page(collect_runs(runs)[0], folder / "report.html")
    return folder / "report.html"


class Seen:
    """An open page, with every message, error and request that it caused."""

    def __init__(self, browser: "sync_api.Browser", path: Path, size: dict[str, int], scheme: str) -> None:
        self.context = browser.new_context(viewport=size, color_scheme=scheme)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def curve(self, explorer: int = 0, panel: int = 0) -> np.ndarray:
        """Points `[n, 2]` of the loss in bold."""
        d = self.page.locator(".explorer").nth(explorer).locator(".now").nth(panel).get_attribute("d")
        return np.array([point.split() for point in d.removeprefix("M").split("L")], dtype=float)


@pytest.fixture(params=[(PHONE, "dark"), (DESKTOP, "light")])
def seen(request: pytest.FixtureRequest, browser: "sync_api.Browser", written: Path) -> Iterator[Seen]:
    seen = Seen(browser, written, *request.param)
    yield seen
    assert seen.problems == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert seen.page.evaluate("typeof hostile") == "undefined"
    seen.context.close()


def test_it_fits_the_screen(seen: Seen) -> None:
    seen.page.locator("summary").evaluate_all("all => all.forEach((one) => one.click())")
    assert seen.page.locator("details[open]").count() == seen.page.locator("details").count() > 0
    width = seen.page.viewport_size["width"]
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= width
    right = "all => all.map((one) => one.getBoundingClientRect().right)"
    assert max(seen.page.locator(".chart svg").evaluate_all(right)) <= width
    assert seen.page.locator(".chart svg").count() == 3 + 2 + 2 + 1
    smallest = "all => Math.min(...all.map((one) => parseFloat(getComputedStyle(one).fontSize)))"
    assert seen.page.locator(".chart text").evaluate_all(smallest) >= 12


def test_light_and_dark(seen: Seen) -> None:
    ground, ink = seen.page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (ground, ink)]
    dark = seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (brightness[0] < brightness[1]) == dark
    assert abs(brightness[0] - brightness[1]) > 500


def test_the_slider_moves_the_curve_by_keyboard(seen: Seen, written: Path) -> None:
    slider, said = seen.page.get_by_label("Step of training").first, seen.page.locator("output").first
    assert said.inner_text() == "offline initialisation, step 20 of 20"  # ml3, the first run, learns offline alone
    last = seen.curve()
    slider.focus()
    seen.page.keyboard.press("ArrowLeft")
    assert said.inner_text() == "offline initialisation, step 10 of 20"
    assert slider.get_attribute("aria-valuetext") == said.inner_text()
    before = seen.curve()
    assert before[-1, 1] < last[-1, 1]  # y grows downwards: the loss for y = 1 falls as it is learned
    seen.page.keyboard.press("Home")
    assert said.inner_text() == "offline initialisation, step 0 of 20"
    assert seen.curve()[-1, 1] < before[-1, 1]
    seen.page.keyboard.press("End")
    np.testing.assert_array_equal(seen.curve(), last)


@pytest.mark.parametrize("step", [0, 3, 6])
def test_the_curve_is_the_learned_loss(step: int, seen: Seen, written: Path) -> None:
    """Pixels are the numbers of `loss_curves.npz` up to the axes' scale and offset."""
    seen.page.get_by_label("Run").first.select_option("adalfl, seed 1")
    seen.page.get_by_label("Step of training").first.fill(str(step))
    curves = read_curves(next(written.parent.glob("*adalfl-1")))
    for target in (0, 1):
        x, y = seen.curve(panel=target).T
        for pixels, numbers in ((x, curves.axis), (y, curves.curves[step, target])):
            fit = np.polyfit(numbers, pixels, 1)
            assert np.abs(np.polyval(fit, numbers) - pixels).max() < 0.2
            assert (fit[0] > 0) == (pixels is x)


def test_another_run_and_fitted_axes(seen: Seen) -> None:
    explorer = seen.page.locator(".explorer").first
    explorer.get_by_label("Run").select_option("adalfl, seed 0")
    assert explorer.locator("output").inner_text() == "training, step 100 of 100"
    explorer.get_by_label("Step of training").fill("3")
    height = np.ptp(seen.curve()[:, 1])
    explorer.get_by_label("Fit the axes").check()
    assert np.ptp(seen.curve()[:, 1]) > 1.5 * height
    assert explorer.locator(".past").count() == 2 * 4


def test_regression_has_one_panel_and_a_lone_run_no_choice(seen: Seen) -> None:
    explorer = seen.page.locator(".explorer").nth(1)
    assert explorer.locator(".now").count() == 1
    assert not explorer.locator("select").is_visible()
    assert explorer.locator("[type=range]").is_visible()


def test_lines_have_legends_and_pictures_have_words(seen: Seen) -> None:
    legend = seen.page.locator("[data-legend]").first
    assert legend.locator("li").all_inner_texts() == ["baseline", "ml3", "meta-lr", "adalfl"]
    chart = seen.page.locator("[data-chart]").first
    assert chart.locator(".line").count() == chart.locator(".band").count() == 4
    for picture in seen.page.get_by_role("img").all():
        assert picture.get_attribute("aria-label")


def test_every_control_is_reached_by_keyboard(seen: Seen) -> None:
    reached = set()
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate("document.activeElement.id || document.activeElement.type"))
    assert {"run-0", "step-0", "step-1", "checkbox"} <= reached


def test_numbers_that_are_none_are_gaps(browser: "sync_api.Browser", tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(i), seed=i, valid=[math.nan, v, v]) for i, v in enumerate((math.nan, math.inf))]
    for name, chosen in (("none", runs[:1]), ("some", [*runs, write_run(tmp_path / "some", method="baseline")])):
        write_page(collect_runs(chosen)[0], tmp_path / f"{name}.html")
        seen = Seen(browser, tmp_path / f"{name}.html", DESKTOP, "light")
        assert seen.page.locator(".chart svg").count() == 4
        assert seen.page.evaluate("document.body.innerHTML.includes('NaN')") is False
        assert seen.problems == []
        seen.context.close()


def test_a_turned_phone_is_drawn_anew(browser: "sync_api.Browser", written: Path) -> None:
    seen = Seen(browser, written, PHONE, "light")
    width = "document.querySelector('.chart svg').clientWidth"
    narrow = seen.page.evaluate(width)
    seen.page.set_viewport_size({"width": 740, "height": 360})
    seen.page.wait_for_function(f"narrow => {width} > narrow", arg=narrow)  # drawn at the next frame
    assert seen.page.evaluate("document.scrollingElement.scrollWidth") <= 740
    assert seen.problems == []
    seen.context.close()
