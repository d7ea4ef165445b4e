"""Few-shot methods by name, each a function of a `FewShotProblem`."""

from collections.abc import Callable

from ..method import FewShotMethod
from .adalfl import adalfl
from .anil import anil
from .boil import boil
from .fomaml import fomaml
from .imaml import imaml
from .maml import maml
from .maml_plus_plus import maml_plus_plus
from .meta_sgd import meta_sgd
from .metal import metal
from .npbml import npbml
from .reptile import reptile
from .t_net import t_net

METHODS: dict[str, Callable[..., FewShotMethod]] = {
    "maml": maml,
    "fomaml": fomaml,
    "reptile": reptile,
    "anil": anil,
    "boil": boil,
    "meta-sgd": meta_sgd,
    "maml++": maml_plus_plus,
    "imaml": imaml,
    "t-net": t_net,
    "metal": metal,
    "adalfl": adalfl,
    "npbml": npbml,
}
"""`METHODS[name](problem)`; options of a method are keyword arguments of its function."""

__all__ = ["METHODS"]
