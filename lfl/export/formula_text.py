"""A learned loss as the text of formulas: the formula that it is, or others that are fitted to it."""

from ..loss import AnyLearnedLoss, LearnedLoss, formula_of
from ..types import Tensors


def formula_text(
    loss_fn: AnyLearnedLoss, phi: Tensors, name: str, base: str | None = None, *, latex: bool = False
) -> str:
    """Writes a learned loss as formulas, each with its error.

    Args:
        loss_fn, phi: the loss.
        name: of the loss, such as its run folder.
        base: the name of the hand-made loss that it is added to; None without one.
        latex: whether the text is LaTeX alone, with comments; else sympy, LaTeX and Python for each formula.

    Raises:
        UserError: the loss is not a function of one target and one output.
    """
    formula = formula_of(loss_fn, phi)
    if formula is None:
        from .formula import fit_formulas, render, render_latex  # slow to import

        return (render_latex if latex else render)(fit_formulas(loss_fn, phi), name, base)
    from .symbolic_print import render_latex as symbolic_latex
    from .symbolic_print import render_symbolic

    assert isinstance(loss_fn, LearnedLoss)
    write = symbolic_latex if latex else render_symbolic
    return write(formula, loss_fn.kind, name, reduction=loss_fn.reduction, base=base)
