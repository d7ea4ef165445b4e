"""The parts of NPBML: FiLM, warp, learned losses, relation network, encoders and their pre-training."""

from .pretraining import Encoder, Pretrained, nearest_mean_error, pretrain, training_batches, untrained
from .relation import draw_relation, relation_error, relation_scores, scores_of, train_relation
from .trunk import NETWORKS, Network, conv4, network_of, resnet12

__all__ = [
    "NETWORKS",
    "Encoder",
    "Network",
    "Pretrained",
    "conv4",
    "draw_relation",
    "nearest_mean_error",
    "network_of",
    "pretrain",
    "relation_error",
    "relation_scores",
    "resnet12",
    "scores_of",
    "train_relation",
    "training_batches",
    "untrained",
]
