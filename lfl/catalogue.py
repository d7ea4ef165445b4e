"""Everything that a run can be given by name: tasks, models, methods, losses, objectives and hypergradients.

Each name stands here once. `lfl list`, the flags, their help and their completion, the settings and the documentation
are made from these tables. Nothing is imported before it is asked for, so that the command line starts without torch.
"""

from .entry import Defaults, Entry, LossEntry, MethodEntry, ModelEntry, TaskEntry

CLASSES, REAL_VALUES = ("classification",), ("regression",)


def colour_images(steps: int) -> Defaults:
    """The paper's settings for colour images; each architecture draws its parameters as it does by itself."""
    return Defaults(
        steps=steps, inner_lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.0005, theta_init="architecture"
    )


REGRESSION = Defaults(steps=10_000, inner_lr=0.001, loss="squared-error", restart_every=0)
"""Offline steps follow one training: the outputs of a fresh model lie below their targets, and a loss learned on fresh
models alone would have seen no outputs above them (docs/reproduction.md)."""

TASKS: dict[str, TaskEntry] = {
    "digits": TaskEntry(
        "8x8 handwritten digits, 10 classes, inside scikit-learn (the default)",
        "lfl.task.digits:digits",
        defaults=Defaults(steps=1000, inner_lr=0.01, offline_steps=500, batch_size=64),
        downloads=False,
    ),
    "diabetes": TaskEntry(
        "disease progression of 442 patients, regression, inside scikit-learn",
        "lfl.task.diabetes:diabetes",
        defaults=REGRESSION,
        downloads=False,
    ),
    "crime": TaskEntry(
        "violent crimes per head of 1,994 communities, regression, downloaded on first use",
        "lfl.task.crime:crime",
        defaults=REGRESSION,
    ),
    "california": TaskEntry(
        "house values of 20,640 districts, regression, downloaded on first use",
        "lfl.task.california:california",
        defaults=REGRESSION,
    ),
    "mnist": TaskEntry(
        "28x28 handwritten digits, 10 classes, downloaded on first use",
        "lfl.task.mnist:mnist",
        defaults=Defaults(steps=25_000, inner_lr=0.01),
    ),
    "cifar10": TaskEntry(
        "32x32 photographs, 10 classes, downloaded on first use",
        "lfl.task.cifar_svhn:cifar10",
        defaults=colour_images(100_000),
    ),
    "cifar100": TaskEntry(
        "32x32 photographs, 100 classes, downloaded on first use",
        "lfl.task.cifar_svhn:cifar100",
        defaults=colour_images(150_000),
    ),
    "svhn": TaskEntry(
        "32x32 photographs of house numbers, 10 classes, downloaded on first use",
        "lfl.task.cifar_svhn:svhn",
        defaults=colour_images(150_000),
    ),
}
OWN_TASKS = {
    "FILE.npz": "your own arrays x_train, y_train; x_valid, y_valid, x_test, y_test where you have them",
    "TEXT.txt": "your own text, whose characters are predicted, with --model gpt-mini",
    "TABLE.csv": "your own table, with --target COLUMN, and --valid CLEAN.csv where you have one",
    "FOLDER/": "your own pictures, in train/CLASS/, valid/CLASS/, test/CLASS/; or arrays x_train.npy, y_train.npy, ...",
    "MODULE:FUNCTION": "your own function that returns an lfl.Task, loaders or data sets (docs/own-data.md)",
}

MODELS: dict[str, ModelEntry] = {
    "logistic": ModelEntry("one linear layer", "lfl.model.logistic:logistic"),
    "mlp": ModelEntry("two hidden layers of 1000 ReLU units (the default)", "lfl.model.mlp:mlp"),
    "lenet5": ModelEntry(
        "LeNet-5 with tanh and average pooling, for images of at least 16x16 pixels", "lfl.model.lenet5:lenet5"
    ),
    "vgg16": ModelEntry(
        "VGG-16 with batch norm in its CIFAR form, for images of at least 32x32 pixels", "lfl.model.vgg16:vgg16"
    ),
    "allcnnc": ModelEntry(
        "All-CNN-C with batch norm, nine convolutions, for images of at least 12x12 pixels", "lfl.model.allcnnc:allcnnc"
    ),
    "resnet18": ModelEntry("ResNet-18 in its CIFAR form, for images", "lfl.model.resnet18:resnet18"),
    "squeezenet": ModelEntry(
        "SqueezeNet 1.0 in its CIFAR form, for images of at least 16x16 pixels", "lfl.model.squeezenet:squeezenet"
    ),
    "wrn28-10": ModelEntry(
        "wide residual network of 28 layers, ten times as wide, for images", "lfl.model.wide_resnet:wrn28_10"
    ),
    "wrn16-8": ModelEntry(
        "wide residual network of 16 layers, eight times as wide, for images", "lfl.model.wide_resnet:wrn16_8"
    ),
    "conv4": ModelEntry(
        "four convolutions of stride 2 with batch norm, for few-shot learning", "lfl.model.conv4:conv4"
    ),
    "conv4-pool": ModelEntry(
        "conv4 with max-pooling, for images of at least 16x16 pixels", "lfl.model.conv4:conv4_pool"
    ),
    "gpt-mini": ModelEntry(
        "a transformer of 4 blocks of 4 heads, 128 wide, for the text of a .txt", "lfl.model.gpt:gpt_mini", tokens=True
    ),
}
MODEL_LIBRARIES = ("timm", "torchvision")
OWN_MODELS = {
    "mlp-WIDTH": "mlp with another width, such as mlp-100",
    "timm:NAME": "a network of timm with random weights, for images (pip install timm)",
    "torchvision:NAME": "an image classifier of torchvision with random weights",
    "MODULE:FUNCTION": "your own function of the input's shape and the number of outputs",
}

METHODS: dict[str, MethodEntry] = {
    "baseline": MethodEntry("train on a loss made by hand: cross-entropy, squared error, or another --loss"),
    "ml3": MethodEntry("learn a loss offline, then train on it without changing it", learns_loss=True, offline=True),
    "meta-lr": MethodEntry(
        "learn the learning rate, offline and while the model trains",
        learns_rate=True,
        offline=True,
        online=True,
        # on the batch that a step has just seen, the longest step wins, however badly it generalises
        defaults={"offline_objective": "valid"},
    ),
    "adalfl": MethodEntry(
        "learn a loss offline, and continue while the model trains (the default)",
        learns_loss=True,
        offline=True,
        online=True,
    ),
    "adalfl+lr": MethodEntry(
        "learn a loss and the learning rate together, offline and while the model trains",
        learns_loss=True,
        learns_rate=True,
        offline=True,
        online=True,
    ),
    # The loss starts at one made by hand, so that nothing has to be learned offline. All that it learns, it has to
    # learn in one training, which takes a larger rate. Adam divides by the size of the gradient, which shrinks with
    # the model's rate: at a constant rate of its own the loss would wander at full speed at the end. One step of the
    # loss for ten of the model, ten times as long, learns as well as one for each (docs/value.md).
    "residual": MethodEntry(
        "start at a loss made by hand and learn a correction while the model trains: for dirty labels",
        learns_loss=True,
        offline=True,
        online=True,
        defaults={
            "loss": "residual",
            "offline_steps": 0,
            "outer_lr": 1e-2,
            "meta_every": 10,
            "outer_schedule": "model",
            "schedule": "cosine",
            "momentum": 0.9,
            "clip_norm": 1.0,
        },
    ),
    "fixed": MethodEntry("train on the loss that another run has learned (--loss-from RUN)", learns_loss=True),
}
OFFLINE = tuple(name for name, method in METHODS.items() if method.offline)
ONLINE = tuple(name for name, method in METHODS.items() if method.online)
LEARNING = tuple(name for name, method in METHODS.items() if method.learns)
"""The methods with an offline phase, with an online phase, and with either."""

LEARNED_LOSSES: dict[str, LossEntry] = {
    "network": LossEntry(
        "learned: the paper's network with smooth leaky ReLUs (the default of methods that learn one)",
        "lfl.loss.network:network",
        pointwise=True,
    ),
    "relu-softplus": LossEntry(
        "learned: the network of ML3, ReLUs and softplus", "lfl.loss.network:relu_softplus_network", pointwise=True
    ),
    "taylor-quadratic": LossEntry(
        "learned: a polynomial of order 2, five parameters", "lfl.loss.taylor:taylor_quadratic", pointwise=True
    ),
    "taylor-cubic": LossEntry(
        "learned: a polynomial of order 3, eight parameters", "lfl.loss.taylor:taylor_cubic", pointwise=True
    ),
    "residual": LossEntry(
        "learned: a hand-made loss (--base) plus a small network of an example's confidence, or of the error",
        "lfl.loss.residual:residual_loss",
        from_base=True,
    ),
    "residual-network": LossEntry(
        "learned: --base plus the paper's network of one output at a time",
        "lfl.loss.residual:residual_network",
        from_base=True,
    ),
    "weight-net": LossEntry(
        "learned: a weight of each example as a function of its hand-made loss (--base)",
        "lfl.loss.weight_net:weight_net",
        from_base=True,
    ),
    "true-class": LossEntry(
        "learned, for classes: --base plus a function of the true class's probability",
        "lfl.loss.true_class:true_class_loss",
        kinds=CLASSES,
        from_base=True,
    ),
    "vector-scaling": LossEntry(
        "learned, for classes: cross-entropy with a weight, offset and temperature of each class",
        "lfl.loss.vector_scaling:vector_scaling",
        kinds=CLASSES,
    ),
}
HANDMADE_LOSSES: dict[str, LossEntry] = {
    "cross-entropy": LossEntry(
        "by hand, for classes (the baseline's default)", "lfl.loss.handcrafted:cross_entropy", CLASSES
    ),
    "focal": LossEntry("by hand, for classes", "lfl.loss.handcrafted:focal", CLASSES),
    "generalised-cross-entropy": LossEntry(
        "by hand, for classes: made for wrong labels", "lfl.loss.handcrafted:generalised_cross_entropy", CLASSES
    ),
    "label-smoothing": LossEntry("by hand, for classes", "lfl.loss.handcrafted:label_smoothing", CLASSES),
    "absolute-cross-entropy": LossEntry(
        "by hand, for classes: folded cross-entropy, found by evolution",
        "lfl.loss.handcrafted:absolute_cross_entropy",
        CLASSES,
    ),
    "sparse-label-smoothing": LossEntry(
        "by hand, for classes: label smoothing that changes the true class's term alone",
        "lfl.loss.handcrafted:sparse_label_smoothing",
        CLASSES,
    ),
    "squared-error": LossEntry(
        "by hand, for real values (the baseline's default)", "lfl.loss.handcrafted:squared_error", REAL_VALUES
    ),
    "absolute-error": LossEntry("by hand, for real values", "lfl.loss.handcrafted:absolute_error", REAL_VALUES),
    "huber": LossEntry("by hand, for real values", "lfl.loss.handcrafted:huber", REAL_VALUES),
}
BASES = {"classification": "cross-entropy", "regression": "absolute-error"}
"""The loss that learned ones start from unless another base is given. For real values squared error is the loss that an
outlier pulls most: what would have to be unlearned first is not learned in time (docs/value.md)."""

OWN_LOSSES = {
    "FORMULA": "learned or by hand: such as 'abs(log(1.1*y*f))', of target y and output f (docs/symbolic-losses.md)",
    "MODULE:FUNCTION": "your own, learned or by hand (docs/own-loss.md)",
}

OBJECTIVES: dict[str, LossEntry] = {
    "cross-entropy": LossEntry("for classes (the default)", "lfl.loss.handcrafted:cross_entropy", CLASSES),
    "balanced": LossEntry(
        "for classes: cross-entropy with each class weighing the same, however rare it is",
        "lfl.loss.objectives:balanced_cross_entropy",
        CLASSES,
    ),
    "brier": LossEntry(
        "for classes: squared distance of the probabilities, where they are to be relied on",
        "lfl.loss.objectives:brier",
        CLASSES,
    ),
    "focal": LossEntry(
        "for classes: cross-entropy that gives examples that are already right less weight",
        "lfl.loss.handcrafted:focal",
        CLASSES,
    ),
    "soft-f1": LossEntry(
        "for classes: macro F1 with probabilities in place of decisions", "lfl.loss.objectives:soft_f1", CLASSES
    ),
    "squared-error": LossEntry("for real values (the default)", "lfl.loss.handcrafted:squared_error", REAL_VALUES),
    "absolute-error": LossEntry("for real values", "lfl.loss.handcrafted:absolute_error", REAL_VALUES),
    "huber": LossEntry("for real values", "lfl.loss.handcrafted:huber", REAL_VALUES),
}
OWN_OBJECTIVES = {"MODULE:FUNCTION": "your own function of outputs and targets, with a value for each example"}

HYPERGRADIENTS: dict[str, Entry] = {
    "unroll": Entry("exact, reverse over reverse mode", "lfl.hypergradient.unroll:unroll"),
    "mixed": Entry(
        "exact, forward over reverse mode, in the memory of a plain step", "lfl.hypergradient.mixed_mode:mixed"
    ),
    "finite-difference": Entry(
        "an approximation by one more forward pass", "lfl.hypergradient.mixed_mode:finite_difference"
    ),
    "implicit": Entry(
        "an approximation that takes the model for a minimum of the learned loss",
        "lfl.hypergradient.implicit:BY_DEFAULT",
    ),
}
