"""The two kinds of trouble that lfl reports: the user's mistake, and a failure of something outside."""


class LflError(Exception):
    """Anything that lfl reports in words: what was wrong, what came, what to do next."""

    exit_status = 1


class UserError(LflError, ValueError):
    """The input cannot be used as it is; another input can."""

    exit_status = 2


class NotDifferentiable(UserError):
    """Torch lacks a derivative of the kind that a form of the hypergradient takes of the model."""


class Failure(LflError, RuntimeError):
    """The input was sound, but the world did not go along: a download, a disk, a diverged run."""


class Diverged(Failure):
    """A loss or gradient of a run is not finite."""


class ZeroGradientWarning(UserWarning):
    """The gradient of phi was exactly 0 at a first step: phi did not move, and may never move."""


def one_of(what: str, name: str, known: "dict[str, object] | list[str]") -> None:
    """Raise `UserError` unless `name` is one of `known`, and say which there are."""
    if name not in known:
        raise UserError(f"unknown {what} {name!r}; choose one of: {', '.join(known)}")


def reason(error: BaseException) -> str:
    """What an error says in its first line, or what it is called where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
