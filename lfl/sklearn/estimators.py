"""scikit-learn estimators that learn their loss while they train."""

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data.splits import Split
from ..errors import UserError
from ..loss import class_logits
from ..task.targets import refuse_long_whole
from ..task.task import FEWEST_VALID
from ..types import Kind
from .fit import Fitted, fit, outputs_of


class _AdaLFL(BaseEstimator):  # type: ignore[misc]
    """The parameters that both estimators share, and how they are passed to training."""

    def __init__(
        self,
        *,
        method: str = "adalfl",
        model: str = "mlp-100",
        steps: int = 500,
        offline_steps: int | None = None,
        batch_size: int = 64,
        inner_lr: float | None = None,
        offline_lr: float = 1e-3,
        outer_lr: float | None = None,
        objective: str | None = None,
        schedule: str = "cosine",
        clip_norm: float | None = 1.0,
        validation_fraction: float = 0.1,
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.model = model
        self.steps = steps
        self.offline_steps = offline_steps
        self.batch_size = batch_size
        self.inner_lr = inner_lr
        self.offline_lr = offline_lr
        self.outer_lr = outer_lr
        self.objective = objective
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def _fit(self, kind: Kind, rows: Split, valid: Split | None, num_outputs: int) -> Fitted:
        asked = self.get_params(deep=False)
        asked["seed"] = check_random_state(asked.pop("random_state")).randint(2**31 - 1)
        asked = {name: value.item() if isinstance(value, np.generic) else value for name, value in asked.items()}
        self._fitted = fit(kind, rows, num_outputs, valid=valid, **asked)
        self.model_, self.loss_, self.n_iter_ = self._fitted.model, self._fitted.loss, self.steps
        return self._fitted

    def _valid(self, x: Any, y: Any, **wanted: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Checks clean data against the columns of `fit`; returns None if there are none."""
        if (x is None) != (y is None):
            raise UserError("X_valid and y_valid belong together, got only one; give both or neither.")
        if x is None:
            return None
        _refuse_long_whole(x, "X_valid")
        x, y = validate_data(self, x, y, dtype=np.float64, reset=False, **wanted)
        if len(x) < FEWEST_VALID:
            raise UserError(f"X_valid has {len(x)} rows; give at least {FEWEST_VALID}, or none, and some are held out.")
        return x, y

    def _outputs(self, x: Any) -> torch.Tensor:
        check_is_fitted(self)
        _refuse_long_whole(x)
        x = validate_data(self, x, dtype=np.float64, reset=False)
        return outputs_of(self._fitted, torch.tensor(x))


def _refuse_long_whole(x: Any, name: str = "X") -> None:
    """Raises `UserError` if scikit-learn would round whole numbers to double precision."""
    if isinstance(x, np.ndarray):
        refuse_long_whole(x, f"{name} holds")


def _columns(x: np.ndarray, y: np.ndarray) -> Split:
    """Converts inputs, and targets to `[n, width]`, in double precision."""
    return Split(torch.tensor(x), torch.tensor(np.asarray(y, dtype=np.float64).reshape(len(y), -1)))


class AdaLFLClassifier(ClassifierMixin, _AdaLFL):  # type: ignore[misc]
    """A classifier that learns its loss while it trains.

    Inputs are standardised. The learned loss is evaluated on clean data that the model does not train on: those given
    to `fit`, or else a part of its rows, held out by a shuffle that is the same for every `random_state`. With the
    same `random_state` a fit repeats exactly.

    Args:
        method: `"adalfl"`, `"ml3"`, `"meta-lr"`, `"adalfl+lr"` or `"baseline"`: how the loss or rate is learned; or
            `"residual"`, which learns a correction of a hand-made loss: for wrong labels or targets in train, with a
            clean `X_valid`.
        model: `"mlp-WIDTH"` (two hidden layers), `"mlp"`, `"logistic"`, or `"module:function"`.
        steps: steps of the model.
        offline_steps: offline steps of the loss before them; 250 when omitted, of `"residual"` none.
        batch_size: rows a batch, drawn with replacement.
        inner_lr, offline_lr, outer_lr: learning rate of the model (0.1 when omitted, of `"residual"` 0.03), and of the
            loss offline and while the model trains (3e-3 when omitted, of `"residual"` as in `lfl train`).
        objective: the loss by which the learned loss or rate is evaluated on clean data: `"cross-entropy"`
            (the default), `"balanced"`, `"brier"`, `"focal"`, `"soft-f1"` or `"module:function"`.
        schedule: of the model's rate: `"constant"`, `"cosine"` or `"step"`.
        clip_norm: largest norm of the model's gradient, so that a loss learned from few rows cannot make the model
            diverge; None for no limit.
        validation_fraction: share of the rows that is held out if `fit` gets no `X_valid`. If that is fewer than ten
            rows none are, and the loss is evaluated on the rows that the model trains on.
        random_state: an int, a `numpy.random.RandomState`, or None for another fit each time.

    Attributes:
        classes_: class labels in sorted order.
        n_features_in_, feature_names_in_: columns of the inputs.
        n_iter_: steps of the model.
        model_: the trained `nn.Module`, of standardised inputs.
        loss_: the learned loss, as from `lfl.load_loss`; None if none is learned.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> x, y = load_iris(return_X_y=True)
        >>> bool(AdaLFLClassifier(method="residual", steps=200, random_state=0).fit(x, y).score(x, y) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any, *, X_valid: Any = None, y_valid: Any = None) -> "AdaLFLClassifier":
        """Trains the model and its loss.

        Args:
            X: inputs `[n, columns]`, real numbers.
            y: labels `[n]`, at least two different ones.
            X_valid, y_valid: clean data, on which the loss is evaluated: inputs `[m, columns]` and labels `[m]`. None
                of `X` is held out then.

        Returns:
            The estimator itself.

        Raises:
            UserError: a bad parameter, a single class, whole numbers beyond 2**53, or clean data with a class that `y`
                lacks or with fewer than five rows.
            Failure: training diverged; lower the rates.
        """
        _refuse_long_whole(X)
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, ids = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"y has only one class, {self.classes_[0]!r}; classification needs two.")
        rows = Split(torch.tensor(X), torch.from_numpy(ids))
        self._fit("classification", rows, self._clean(X_valid, y_valid), len(self.classes_))
        return self

    def _clean(self, x: Any, y: Any) -> Split | None:
        given = self._valid(x, y)
        if given is None:
            return None
        x, y = given
        check_classification_targets(y)
        for label in np.unique(y).tolist():
            if label not in self.classes_.tolist():
                raise UserError(f"y_valid has the class {label!r}, which y lacks; remove those rows.")
        return Split(torch.tensor(x), torch.from_numpy(np.searchsorted(self.classes_, y)))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predicts probabilities `[n, classes]`, in the order of `classes_`."""
        return np.asarray(torch.softmax(class_logits(self._outputs(X)), -1))

    def predict(self, X: Any) -> np.ndarray:
        """Predicts the most likely class of each row, `[n]`."""
        best = class_logits(self._outputs(X)).argmax(-1).numpy()
        return np.asarray(self.classes_[best])


class AdaLFLRegressor(RegressorMixin, MultiOutputMixin, _AdaLFL):  # type: ignore[misc]
    """A regressor that learns its loss while it trains; of one or several values.

    It works like `AdaLFLClassifier`. Targets are standardised inside, column by column, and `loss_` takes standardised
    targets: `(y - target_mean_) / target_deviation_`.

    Args:
        objective: as in `AdaLFLClassifier`; `"squared-error"` (the default), `"absolute-error"`, `"huber"` or
            `"module:function"`.
        method, model, steps, offline_steps, batch_size, inner_lr, offline_lr, outer_lr, schedule, clip_norm,
            validation_fraction, random_state: as in `AdaLFLClassifier`.

    Attributes:
        n_features_in_, feature_names_in_, n_iter_, model_, loss_: as in `AdaLFLClassifier`.
        target_mean_, target_deviation_: mean and deviation of each target column, over the rows that are not held out.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> x, y = load_diabetes(return_X_y=True)
        >>> bool(AdaLFLRegressor(method="residual", steps=200, random_state=0).fit(x, y).score(x, y) > 0.3)
        True
    """

    def fit(self, X: Any, y: Any, *, X_valid: Any = None, y_valid: Any = None) -> "AdaLFLRegressor":
        """Trains the model and its loss.

        Args:
            X: inputs `[n, columns]`, real numbers.
            y: real targets `[n]` or `[n, width]`.
            X_valid, y_valid: clean data, on which the loss is evaluated: inputs `[m, columns]` and targets of the shape
                of `y`. None of `X` is held out then.

        Returns:
            The estimator itself.

        Raises:
            UserError: a bad parameter, whole numbers beyond 2**53, or clean data with targets of another width or with
                fewer than five rows.
            Failure: training diverged; lower the rates.
        """
        _refuse_long_whole(X)
        wanted = {"multi_output": True, "y_numeric": True}
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2, **wanted)
        y = np.asarray(y, dtype=np.float64)
        self._shape = y.shape[1:]
        rows, valid = _columns(X, y), None
        given = self._valid(X_valid, y_valid, **wanted)
        if given is not None:
            valid = _columns(*given)
            if valid.y.shape[1] != rows.y.shape[1]:
                raise UserError(f"y has {rows.y.shape[1]} columns and y_valid {valid.y.shape[1]}; give both as many.")
        scale = self._fit("regression", rows, valid, rows.y.shape[1]).target_scale
        assert scale is not None
        self.target_mean_, self.target_deviation_ = (t.numpy() for t in scale)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicts the values of each row, in the shape of the targets of `fit`."""
        outputs = self._outputs(X).numpy()
        values = outputs * self.target_deviation_ + self.target_mean_
        return np.asarray(values.reshape(len(outputs), *self._shape))
