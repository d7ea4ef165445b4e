"""The errors that lfl raises: a mistake in the input, or a failure of something outside; and how they are worded."""


class LflError(Exception):
    """Base of lfl's errors. Each message says what was wrong, what was given, and what to do next."""

    exit_status = 1


class UserError(LflError, ValueError):
    """The input cannot be used; the message says which input can."""

    exit_status = 2


class NotDifferentiable(UserError):
    """Torch has no derivative, of the kind that a form of the hypergradient needs, for an operation of the model."""


class Failure(LflError, RuntimeError):
    """The input was valid, but something else failed: a download, a disk, a run that diverged."""


class MissingPackage(Failure, ImportError):
    """A package that only some parts of lfl need is not installed; the message says how to install it."""


class Diverged(Failure):
    """A loss or gradient of a run is not finite."""


class RankStopped(Failure):
    """Another of the processes that train together has stopped, or did not come in time."""


class ZeroGradientWarning(UserWarning):
    """The gradient of phi was exactly 0 at a first step: phi did not move, and may never move."""


def one_of(what: str, name: str, known: "dict[str, object] | list[str]") -> None:
    """Raises `UserError`, with the known names, unless `name` is one of them."""
    if name not in known:
        raise UserError(f"unknown {what} {name!r}; choose one of: {', '.join(known)}")


def reason(error: BaseException) -> str:
    """The first line of an error's message, or its type's name where it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow"} | {
    **dict.fromkeys(["onnx", "onnxscript"], "'lfl[onnx]'"),
    **{name: f"'lfl[{name}]'" for name in ("tensorboard", "wandb", "mlflow")},
    "huggingface_hub": "'lfl[hub]'",
    "cma": "'lfl[evolution]'",
    "distributed": "'lfl[dask]'",
    "ray": "'lfl[ray]'",
}
"""What pip installs a package by, where it is not called by its own name."""


def missing_package(what: str, error: ModuleNotFoundError) -> MissingPackage:
    """Returns the error to raise where `what` needs a package that is not installed."""
    package = (error.name or str(error)).partition(".")[0]
    install = DISTRIBUTIONS.get(package, package)
    return MissingPackage(f"{what} needs the package {package}, which is not installed; pip install {install}.")
