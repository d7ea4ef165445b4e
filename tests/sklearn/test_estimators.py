"""The estimators pass scikit-learn's own checks, and do what their parameters say."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import lfl
from lfl.catalogue import METHODS
from lfl.export import FixedLoss
from lfl.sklearn import AdaLFLClassifier, AdaLFLRegressor

FAST = {"model": "logistic", "steps": 60, "offline_steps": 30, "offline_lr": 1e-2, "outer_lr": 1e-2}
"""One linear layer and few steps: the checks fit some two hundred times."""


@pytest.mark.slow
@parametrize_with_checks([AdaLFLClassifier(**FAST), AdaLFLRegressor(**FAST)])
def test_scikit_learn_is_content(estimator, check) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def flowers() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


@pytest.mark.slow
def test_a_seed_repeats_a_fit_and_another_does_not(flowers) -> None:
    first, again, other = (AdaLFLClassifier(**FAST, random_state=s).fit(*flowers) for s in (3, 3, 4))
    probabilities = first.predict_proba(flowers[0])
    assert np.array_equal(probabilities, again.predict_proba(flowers[0]))
    assert not np.array_equal(probabilities, other.predict_proba(flowers[0]))
    state = torch.random.get_rng_state()
    AdaLFLClassifier(**FAST, random_state=np.random.RandomState(3)).fit(*flowers)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.slow
def test_words_are_classes_in_sorted_order(flowers) -> None:
    x, ids = flowers
    words = np.array(["setosa", "versicolor", "aster"])[ids]
    fitted = AdaLFLClassifier(**FAST | {"steps": 300}, random_state=0).fit(x, words)
    assert fitted.classes_.tolist() == ["aster", "setosa", "versicolor"]
    probabilities = fitted.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-12)
    assert (fitted.predict(x) == fitted.classes_[probabilities.argmax(1)]).all()
    assert fitted.score(x, words) > 0.9


def one_logit(shape, outputs) -> torch.nn.Module:
    return torch.nn.Linear(shape[0], 1)


@pytest.mark.slow
def test_one_logit_serves_two_classes(flowers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the sigmoid of the trained line, computed by hand."""
    own = ModuleType("own_logit")
    own.one_logit = one_logit
    monkeypatch.setitem(sys.modules, "own_logit", own)
    x, y = (part[:100] for part in flowers)
    fitted = AdaLFLClassifier(model="own_logit:one_logit", method="baseline", steps=300, random_state=0).fit(x, y)
    assert fitted.score(x, y) > 0.95
    scaled = fitted._fitted.scale(torch.tensor(x)).double()
    with torch.no_grad():
        likely = torch.sigmoid(fitted.model_.double()(scaled))[:, 0].numpy()
    np.testing.assert_allclose(fitted.predict_proba(x)[:, 1], likely, rtol=1e-5)


@pytest.mark.slow
def test_units_of_inputs_and_targets_do_not_matter() -> None:
    """Powers of two change no rounding, so that the fit is the same to the last bit."""
    x, y = load_diabetes(return_X_y=True)
    plain = AdaLFLRegressor(**FAST, random_state=0).fit(x, y)
    scaled = AdaLFLRegressor(**FAST, random_state=0).fit(x * 4096, y * 1024)
    assert np.array_equal(scaled.predict(x * 4096), plain.predict(x) * 1024)
    assert plain.target_deviation_ == pytest.approx(y.std(), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (-1, 3)])
def test_predictions_have_the_shape_of_the_targets(shape: tuple[int, ...]) -> None:
    g = np.random.default_rng(0)
    x = g.normal(size=(120, 4))
    y = np.stack((x[:, 0], 100 - 30 * x[:, 1], x[:, 2] / 1000), 1)
    y = y.reshape(shape) if shape == (-1, 3) else y[:, :1].reshape(shape)
    predicted = AdaLFLRegressor(**FAST | {"steps": 200}, random_state=0).fit(x, y).predict(x)
    assert predicted.shape == y.shape
    assert (((predicted - y) ** 2).mean(0) < 0.2 * y.var(0)).all()


@pytest.mark.slow
def test_the_loss_and_the_model_are_there_to_be_used(flowers) -> None:
    x, ids = flowers
    fitted = AdaLFLClassifier(**FAST, random_state=0).fit(x, ids)
    assert isinstance(fitted.loss_, FixedLoss)
    mean, deviation = (np.mean(x, 0), np.std(x, 0))
    logits = fitted.model_(torch.tensor((x - mean) / deviation, dtype=torch.float32))
    agree = logits.argmax(1).numpy() == fitted.predict(x)
    assert agree.mean() > 0.95  # the rows held out are not in the estimator's own mean
    slope = torch.func.grad(fitted.loss_)(torch.zeros(1, 3), torch.tensor([1]))
    assert slope[0, 1] < 0 < slope[0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name != "fixed"])
def test_every_method_fits_both_kinds(method: str, flowers) -> None:
    asked = FAST | {"method": method, "steps": 5, "offline_steps": 2}
    for estimator, targets in ((AdaLFLClassifier(**asked), flowers[1]), (AdaLFLRegressor(**asked), flowers[0][:, 0])):
        fitted = estimator.fit(flowers[0], targets)
        assert (fitted.loss_ is None) == (method in ("baseline", "meta-lr"))
        assert fitted.n_iter_ == 5


@pytest.mark.slow
def test_a_grid_search_goes_over_its_parameters(flowers) -> None:
    grid = {"model": ["logistic", "mlp-8"], "steps": np.array([3, 40])}
    search = GridSearchCV(AdaLFLClassifier(**FAST, random_state=0), grid, cv=2).fit(*flowers)
    assert search.best_params_["steps"] == 40
    assert search.best_estimator_.n_iter_ == 40


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"steps": 0}, lfl.UserError, "^steps must be a whole number of at least 1, got 0"),
        ({"steps": None}, lfl.UserError, "^steps must be a number, got None"),
        ({"inner_lr": -1.0}, lfl.UserError, "^inner_lr must be a finite number"),
        ({"batch_size": 2.5}, lfl.UserError, "^batch_size must be a whole number"),
        ({"method": "fixed"}, lfl.UserError, "unknown method 'fixed'; choose one of: baseline, ml3"),
        ({"model": "forest"}, lfl.UserError, "unknown model 'forest'"),
        ({"schedule": "linear"}, lfl.UserError, "unknown schedule 'linear'"),
        ({"validation_fraction": 1.0}, lfl.UserError, "validation_fraction must lie between 0 and 1"),
        ({"inner_lr": 1e38, "method": "baseline"}, lfl.Failure, "lower inner_lr, offline_lr or outer_lr"),
    ],
)
def test_bad_parameters_are_named_as_parameters(asked, error, words: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    with pytest.raises(error, match=words):
        AdaLFLRegressor(**FAST | asked).fit(x, y)


@pytest.mark.slow
def test_several_columns_of_classes_are_refused_and_one_is_taken(flowers) -> None:
    x, y = flowers
    for rows in (np.eye(3)[y], np.eye(3, dtype=int)[y], np.c_[y, y]):
        with pytest.raises(ValueError, match="y should be a 1d array"):
            AdaLFLClassifier(**FAST).fit(x, rows)
    with pytest.warns(DataConversionWarning):
        column = AdaLFLClassifier(**FAST, random_state=0).fit(x, y[:, None])
    np.testing.assert_array_equal(column.predict(x), AdaLFLClassifier(**FAST, random_state=0).fit(x, y).predict(x))


@pytest.mark.slow
def test_inputs_far_from_zero_keep_their_digits(flowers) -> None:
    y = flowers[1]
    hours = np.arange(float(len(y)))[:, None] * 3600
    near, far = (AdaLFLClassifier(**FAST, random_state=0).fit(hours + start, y) for start in (0.0, 1.7e9))
    np.testing.assert_array_equal(near.predict_proba(hours), far.predict_proba(hours + 1.7e9))
    for wide in (2**60 + np.arange(len(y))[:, None], (2**60 + np.arange(len(y))[:, None]).astype(np.uint64)):
        with pytest.raises(lfl.UserError, match=r"X holds 1152921504606846976 in row 0"):
            AdaLFLClassifier(**FAST).fit(wide, y)
        with pytest.raises(lfl.UserError, match="X holds"):
            near.predict(wide)


@pytest.mark.slow
def test_the_objective_judges_what_is_learned(flowers) -> None:
    plain, named, brier = (
        AdaLFLClassifier(**FAST, objective=name, random_state=0).fit(*flowers).predict_proba(flowers[0])
        for name in (None, "cross-entropy", "brier")
    )
    assert np.array_equal(plain, named)
    assert not np.array_equal(plain, brier)
    with pytest.raises(lfl.UserError, match=r"unknown objective for regression .*absolute-error"):
        AdaLFLRegressor(**FAST, objective="brier").fit(*load_diabetes(return_X_y=True))
    with pytest.raises(lfl.UserError, match="method baseline learns nothing"):
        AdaLFLClassifier(**FAST, objective="brier", method="baseline").fit(*flowers)


@pytest.mark.slow
def test_own_clean_data_judge_the_loss_and_leave_all_rows_to_the_model(flowers) -> None:
    """Against fits of the same rows without a part held out, and scikit-learn's own scaling."""
    x, y = flowers
    clean = {"X_valid": x[::5], "y_valid": y[::5]}
    fitted = AdaLFLClassifier(**FAST, random_state=0).fit(x, y, **clean)
    scaler = StandardScaler().fit(x)
    np.testing.assert_allclose(fitted._fitted.scale.mean.numpy(), scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(fitted._fitted.scale.deviation.numpy(), scaler.scale_, rtol=1e-12)
    again = AdaLFLClassifier(**FAST, random_state=0).fit(x, y, **clean)
    assert np.array_equal(fitted.predict_proba(x), again.predict_proba(x))
    for other in ({}, clean | {"X_valid": x[1::5]}):
        assert not np.array_equal(
            fitted.predict_proba(x), AdaLFLClassifier(**FAST, random_state=0).fit(x, y, **other).predict_proba(x)
        )
    baselines = [
        AdaLFLClassifier(**FAST | {"method": "baseline"}, random_state=0).fit(x, y, X_valid=rows, y_valid=y[::5])
        for rows in (x[::5], x[::5] * 1000)
    ]
    assert np.array_equal(*(fitted.predict_proba(x) for fitted in baselines))


@pytest.mark.slow
@pytest.mark.parametrize("width", [(), (1,), (2,)])
def test_own_clean_targets_are_standardised_by_those_of_the_fit(width: tuple[int, ...]) -> None:
    g = np.random.default_rng(0)
    x, y = g.normal(size=(60, 3)), g.normal(size=(60, *width)) * 50 + 7
    clean = {"X_valid": g.normal(size=(9, 3)), "y_valid": g.normal(size=(9, *width)) * 50 + 7}
    fitted = AdaLFLRegressor(**FAST, random_state=0).fit(x, y, **clean)
    np.testing.assert_allclose(fitted.target_mean_, np.atleast_1d(y.mean(0)), rtol=1e-12)
    assert fitted.predict(x).shape == y.shape
    # Powers of two change no rounding: clean targets are taken in the units of the others.
    larger = AdaLFLRegressor(**FAST, random_state=0).fit(x, y * 1024, **clean | {"y_valid": clean["y_valid"] * 1024})
    assert np.array_equal(larger.predict(x), fitted.predict(x) * 1024)


@pytest.mark.slow
def test_clean_labels_are_numbered_as_the_others_and_frames_keep_their_names(flowers) -> None:
    x, ids = flowers
    words = np.array(["setosa", "versicolor", "aster"])[ids]
    one = AdaLFLClassifier(**FAST, random_state=0).fit(x, words, X_valid=x[:60], y_valid=words[:60])
    assert one.classes_.tolist() == ["aster", "setosa", "versicolor"]
    order = np.array([1, 2, 0])[ids]  # the same classes by number
    other = AdaLFLClassifier(**FAST, random_state=0).fit(x, order, X_valid=x[:60], y_valid=order[:60])
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"y_valid": None}, lfl.UserError, "X_valid and y_valid belong together"),
        ({"X_valid": None}, lfl.UserError, "X_valid and y_valid belong together"),
        ({"y_valid": np.full(20, 9)}, lfl.UserError, "y_valid has the class 9, which y lacks"),
        ({"y_valid": np.array(["a"] * 20)}, lfl.UserError, "y_valid has the class 'a', which y lacks"),
        (
            {"X_valid": np.zeros((4, 4)), "y_valid": np.zeros(4, int)},
            lfl.UserError,
            "X_valid has 4 rows; give at least 5",
        ),
        ({"X_valid": np.full((20, 4), 2**60)}, lfl.UserError, "X_valid holds 1152921504606846976 in row 0"),
        ({"X_valid": np.zeros((20, 3))}, ValueError, "X has 3 features, but AdaLFLClassifier is expecting 4"),
        ({"X_valid": np.zeros((19, 4))}, ValueError, "inconsistent numbers of samples"),
        ({"X_valid": np.full((20, 4), np.nan)}, ValueError, "contains NaN"),
    ],
)
def test_clean_data_that_do_not_fit_are_named(changed, error, words: str, flowers) -> None:
    x, y = flowers
    with pytest.raises(error, match=words):
        AdaLFLClassifier(**FAST).fit(x, y, **{"X_valid": x[:20], "y_valid": y[:20]} | changed)
    with pytest.raises(lfl.UserError, match="y has 1 columns and y_valid 2"):
        AdaLFLRegressor(**FAST).fit(x, y, X_valid=x[:20], y_valid=x[:20, :2])


@pytest.mark.slow
def test_residual_keeps_wrong_labels_out() -> None:
    """40 % of the labels are wrong, 144 clean ones judge the loss: at least a third of cross-entropy's errors go."""
    x, y = load_digits(return_X_y=True)
    rows, x_test, labels, y_test = train_test_split(x, y, test_size=0.3, random_state=0)
    rows, x_valid, labels, y_valid = train_test_split(rows, labels, test_size=144, random_state=0)
    draws = np.random.default_rng(0)
    wrong = draws.random(len(labels)) < 0.4
    labels = np.where(wrong, (labels + draws.integers(1, 10, len(labels))) % 10, labels)
    errors = {}
    for method in ("baseline", "residual"):
        fitted = AdaLFLClassifier(method=method, random_state=0).fit(rows, labels, X_valid=x_valid, y_valid=y_valid)
        errors[method] = 1 - fitted.score(x_test, y_test)
    assert errors["residual"] < 2 / 3 * errors["baseline"]
