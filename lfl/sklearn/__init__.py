"""The face of scikit-learn: estimators that learn their loss while they train."""

from .estimators import AdaLFLClassifier, AdaLFLRegressor

__all__ = ["AdaLFLClassifier", "AdaLFLRegressor"]
