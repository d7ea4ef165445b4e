"""A formula in the words of sympy. Runs as a program of its own, which can be stopped: sympy may take for ever.

It reads `{"nodes", "weights", "targets", "simplify", "digits", "smallest"}` as JSON from standard input and writes a
list as JSON, with an entry for each target and form: `target`, `form`, and `written`, a list of ways to write it, the
simplified one first. It imports sympy alone, so that it starts fast.
"""

import json
import sys
from typing import Any

import sympy

EXACT, READABLE = "exact", "readable"
UNDEFINED = (sympy.zoo, sympy.oo, -sympy.oo, sympy.nan, sympy.I)


def expression(
    nodes: list[str], weights: list[float], y: sympy.Expr, f: sympy.Expr, smallest: float | None
) -> sympy.Expr:
    """Returns a formula as a sympy expression.

    Args:
        nodes: names in prefix order.
        weights: of all nodes but the root.
        y, f: what stands for the target and the output.
        smallest: what log and sqrt take in place of a smaller size; None for log |a| and sqrt |a| without that.
    """
    stack: list[sympy.Expr] = []
    for i in reversed(range(len(nodes))):
        node = nodes[i]
        if node in ("y", "f", "1", "-1"):
            value = {"y": y, "f": f}.get(node, sympy.Integer(1 if node == "1" else -1))
        else:
            value = _applied(node, stack, smallest)
        weight = 1.0 if i == 0 else weights[i - 1]
        stack.append(value if weight == 1.0 else sympy.Float(weight) * value)
    return stack.pop()


def _applied(node: str, stack: list[sympy.Expr], smallest: float | None) -> sympy.Expr:
    a = stack.pop()
    if node in ("add", "sub", "mul", "div", "min", "max"):
        b = stack.pop()
        if node == "div":
            return a / sympy.sqrt(1 + b**2)
        if node in ("min", "max"):
            return (sympy.Min if node == "min" else sympy.Max)(a, b)
        return a * b if node == "mul" else a + b if node == "add" else a - b
    if node in ("log", "sqrt"):
        size = sympy.Abs(a) if smallest is None else sympy.Max(sympy.Abs(a), sympy.Float(smallest))
        return sympy.log(size) if node == "log" else sympy.sqrt(size)
    return {"sign": sympy.sign, "square": lambda a: a**2, "abs": sympy.Abs, "tanh": sympy.tanh}[node](a)


def rounded(value: sympy.Expr, digits: int) -> sympy.Expr:
    """Rounds the numbers of an expression; products of rounded numbers that meet are rounded again."""
    for _ in range(10):
        short = {x: _short(x, digits) for x in value.atoms(sympy.Float)}
        if all(new == old and new.is_Integer == old.is_Integer for old, new in short.items()):
            break
        value = value.xreplace(short)
    return value


def _short(x: sympy.Float, digits: int) -> sympy.Expr:
    number = float(f"{float(x):.{digits}g}")
    return sympy.Integer(int(number)) if number.is_integer() and abs(number) < 10**digits else sympy.Float(number)


def written(value: sympy.Expr, variables: list[sympy.Symbol], digits: int) -> dict[str, Any]:
    """Writes an expression: rounded as text and with every digit, and the number that was taken out of its sum."""
    constant, rest = value.as_independent(*variables, as_Add=True)
    short = rounded(rest, digits)
    head = f"lambda {', '.join(map(str, variables))}: "
    return {
        "sympy": sympy.sstr(short, full_prec=False),
        "latex": sympy.latex(short, full_prec=False),
        "python": head + sympy.pycode(short),
        "full": head + sympy.pycode(rest),
        "constant": float(constant),
    }


def forms(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the entries for each target and form."""
    found = []
    for target in job["targets"]:
        f = sympy.Symbol("f", positive=True) if target is not None else sympy.Symbol("f", real=True)
        y = sympy.Symbol("y", real=True) if target is None else sympy.Integer(target)
        variables = [f] if target is not None else [y, f]
        for form, smallest in ((EXACT, job["smallest"]), (READABLE, None)):
            value = expression(job["nodes"], job["weights"], y, f, smallest)
            if value.has(*UNDEFINED):
                continue
            ways = [sympy.simplify(value), value] if job["simplify"] else [value]
            if len(ways) == 2 and sympy.count_ops(ways[0]) >= sympy.count_ops(value):
                ways = [value]
            entry = {
                "target": target,
                "form": form,
                "written": [written(way, variables, job["digits"]) for way in ways],
            }
            found.append(entry)
    return found


if __name__ == "__main__":
    json.dump(forms(json.load(sys.stdin)), sys.stdout)
