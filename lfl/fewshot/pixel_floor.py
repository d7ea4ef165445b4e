"""The floor that every learned number has to clear: the nearest support picture in pixels, without any training."""

import torch

from .class_images import ImageEpisodes
from .episode import Episodes

AT_ONCE = 20


def pixel_floor(episodes: Episodes, num_tasks: int) -> float | None:
    """Computes the error of the nearest support picture by Euclidean distance, on a split's first test episodes.

    Args:
        episodes: of pictures.
        num_tasks: the first of the fixed list.

    Returns:
        The error rate; None where there are no pictures.
    """
    if not isinstance(episodes, ImageEpisodes):
        return None
    size = min(AT_ONCE, num_tasks)
    errors = []
    for number in range(-(-num_tasks // size)):
        x, y, query_x, query_y = episodes.draw("test", number, size)
        nearest = torch.cdist(query_x.flatten(2), x.flatten(2)).argmin(-1)
        errors.append((y.gather(1, nearest) != query_y).double().mean(1))
    return float(torch.cat(errors)[:num_tasks].mean())
