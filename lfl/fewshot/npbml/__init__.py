"""The parts of NPBML: FiLM, warp, learned losses, relation network, encoders and their pre-training."""

from .pretrained import Pretrained, load_pretrained, prepared, save_pretrained
from .pretraining import Encoder, nearest_mean_error, pretrain, training_batches, untrained
from .relation import draw_relation, relation_error, relation_scores, scores_of, train_relation
from .trunk import NETWORKS, Network, conv4, network_of, resnet12

__all__ = [
    "NETWORKS",
    "Encoder",
    "Network",
    "Pretrained",
    "conv4",
    "draw_relation",
    "load_pretrained",
    "nearest_mean_error",
    "network_of",
    "prepared",
    "pretrain",
    "relation_error",
    "relation_scores",
    "resnet12",
    "save_pretrained",
    "scores_of",
    "train_relation",
    "training_batches",
    "untrained",
]
