"""Few-shot learning: episodes, methods that learn to adapt, their training."""

from .batch_norm import PROTOCOLS
from .episode import Episode, Episodes
from .evaluation import Evaluated, adapted, evaluate, query_outputs
from .execute import execute_few_shot, resume_few_shot
from .method import FewShotMethod, gradient_of
from .methods import METHODS
from .problem import FewShotProblem, Judged, few_shot_problem

__all__ = [
    "METHODS",
    "PROTOCOLS",
    "Episode",
    "Episodes",
    "Evaluated",
    "FewShotMethod",
    "FewShotProblem",
    "Judged",
    "adapted",
    "evaluate",
    "execute_few_shot",
    "few_shot_problem",
    "gradient_of",
    "query_outputs",
    "resume_few_shot",
]
