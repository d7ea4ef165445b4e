"""What can be chosen, with a line each: known without importing torch, for help, lists and completion."""

TASKS = {
    "digits": "8x8 handwritten digits, 10 classes, inside scikit-learn (the default)",
    "diabetes": "disease progression of 442 patients, regression, inside scikit-learn",
    "crime": "violent crimes per head of 1,994 communities, regression, downloaded on first use",
    "california": "house values of 20,640 districts, regression, downloaded on first use",
    "mnist": "28x28 handwritten digits, 10 classes, downloaded on first use",
    "cifar10": "32x32 photographs, 10 classes, downloaded on first use",
    "cifar100": "32x32 photographs, 100 classes, downloaded on first use",
    "svhn": "32x32 photographs of house numbers, 10 classes, downloaded on first use",
}
OWN_TASKS = {
    "FILE.npz": "your own arrays x_train, y_train; x_valid, y_valid, x_test, y_test where you have them",
    "TABLE.csv": "your own table, with --target COLUMN, and --valid CLEAN.csv where you have one",
    "FOLDER/": "your own pictures, in train/CLASS/, and valid/CLASS/ and test/CLASS/ where you have them",
}
MODELS = {
    "logistic": "one linear layer",
    "mlp": "two hidden layers of 1000 ReLU units (the default)",
    "lenet5": "LeNet-5 with tanh and average pooling, for images of at least 16x16 pixels",
    "vgg16": "VGG-16 with batch norm in its CIFAR form, for images of at least 32x32 pixels",
    "allcnnc": "All-CNN-C with batch norm, nine convolutions, for images of at least 12x12 pixels",
    "resnet18": "ResNet-18 in its CIFAR form, for images",
    "squeezenet": "SqueezeNet 1.0 in its CIFAR form, for images of at least 16x16 pixels",
    "wrn28-10": "wide residual network of 28 layers, ten times as wide, for images",
    "wrn16-8": "wide residual network of 16 layers, eight times as wide, for images",
}
OWN_MODELS = {
    "mlp-WIDTH": "mlp with another width, such as mlp-100",
    "MODULE:FUNCTION": "your own function of the input's shape and the number of outputs",
}
METHODS = {
    "baseline": "train on a loss made by hand: cross-entropy, squared error, or another --loss",
    "ml3": "learn a loss offline, then train on it as it stands",
    "meta-lr": "learn the learning rate, offline and while the model trains",
    "adalfl": "learn a loss offline, and go on learning it while the model trains (the default)",
    "adalfl+lr": "learn a loss and the learning rate together, offline and while the model trains",
    "residual": "start at a loss made by hand and learn a correction while the model trains: for dirty labels",
    "fixed": "train on the loss that another run has learned (--loss-from RUN)",
}
LOSSES = {
    "network": "learned: the paper's network with smooth leaky ReLUs (the default of methods that learn one)",
    "relu-softplus": "learned: the network of ML3, ReLUs and softplus",
    "taylor-quadratic": "learned: a polynomial of order 2, five parameters",
    "taylor-cubic": "learned: a polynomial of order 3, eight parameters",
    "residual": "learned: a hand-made loss (--base) plus a small network of an example's confidence, or of the error",
    "residual-network": "learned: --base plus the paper's network of one output at a time",
    "weight-net": "learned: a weight of each example as a function of its hand-made loss (--base)",
    "true-class": "learned, for classes: --base plus a function of the true class's probability",
    "vector-scaling": "learned, for classes: cross-entropy with a weight, offset and temperature of each class",
    "cross-entropy": "by hand, for classes (the baseline's default)",
    "focal": "by hand, for classes",
    "generalised-cross-entropy": "by hand, for classes: made for wrong labels",
    "label-smoothing": "by hand, for classes",
    "absolute-cross-entropy": "by hand, for classes: folded cross-entropy, found by evolution",
    "sparse-label-smoothing": "by hand, for classes: label smoothing that touches the true class alone",
    "squared-error": "by hand, for real values (the baseline's default)",
    "absolute-error": "by hand, for real values",
    "huber": "by hand, for real values",
}
OWN_LOSSES = {"MODULE:FUNCTION": "your own, learned or by hand (docs/own-loss.md)"}
BASES = {name: line for name, line in LOSSES.items() if line.startswith("by hand")}
INNER = {
    "sgd": "stochastic gradient descent, with --momentum, --nesterov and --weight-decay (the default)",
    "adam": "Adam",
    "adamw": "Adam with decoupled weight decay",
}
SCHEDULES = {
    "constant": "the same rate throughout (the default)",
    "cosine": "half a cosine down to zero",
    "step": "a tenth from half of the steps on, a hundredth from three quarters on",
}
OUTER_SCHEDULES = {
    **SCHEDULES,
    "model": "as the model's rate, which --schedule gives (the default of residual)",
}
KINDS = {"classification": "targets are classes", "regression": "targets are real values"}
OBJECTIVES = {"train": "the step's own train batch", "valid": "a validation batch"}
OBJECTIVE_LOSSES = {
    "cross-entropy": "for classes (the default)",
    "balanced": "for classes: cross-entropy with each class weighing the same, however rare it is",
    "brier": "for classes: squared distance of the probabilities, where they are to be relied on",
    "focal": "for classes: cross-entropy that turns away from examples that are right already",
    "soft-f1": "for classes: macro F1 with probabilities in place of decisions",
    "squared-error": "for real values (the default)",
    "absolute-error": "for real values",
    "huber": "for real values",
}
OWN_OBJECTIVES = {"MODULE:FUNCTION": "your own function of outputs and targets, with a value for each example"}
KEEP = {
    "last": "after the last step (the default)",
    "best": "at the best look at the validation error, or at the --objective on the validation split",
}
HYPERGRADIENTS = {
    "auto": "the faster exact one (the default)",
    "unroll": "exact, reverse over reverse mode",
    "mixed": "exact, forward over reverse mode, in the memory of a plain step",
    "finite-difference": "an approximation by one more forward pass",
    "implicit": "an approximation that takes the model for a minimum of the learned loss",
}
COMPILE = {
    "auto": "compile where the steps to come pay for it (the default)",
    "on": "compile",
    "off": "do not",
}
EXPORTS = {
    "torch": "a torch.export program, which torch.export.load reads without lfl",
    "onnx": "an ONNX model (pip install 'lfl[onnx]')",
    "sympy": "a small closed formula with its error, as text",
}
REDUCTIONS = {
    "mean": "over examples (the default)",
    "sum": "over examples, and over the outputs of a regression",
    "none": "a loss for each example, or for each output of a regression",
}
PRECISIONS = {
    "float32": "full (the default)",
    "tf32": "10-bit inputs of products, on an NVIDIA GPU: phi's gradient off by 0.2 %, with batch norm by 35 %",
    "bfloat16": "products in 8 bits: phi's gradient off by 0.3 to 0.8 %, with batch norm by 70 %",
}
LOGS = {
    "none": "nothing beside metrics.jsonl (the default)",
    "tensorboard": "event files in the run folder (pip install 'lfl[tensorboard]')",
}
DEVICES = {
    "auto": "cuda, mps or cpu, the first that is there (the default)",
    "cpu": "the processor",
    "cuda": "an NVIDIA GPU",
    "mps": "an Apple GPU",
}
TABLES = {
    "table1": "test errors of baseline, ml3, meta-lr and adalfl",
    "table2": "their times, from the same runs",
    "table3": "inner steps of ml3's offline steps",
    "table4": "Taylor polynomials in place of the loss network",
    "table5": "ml3 with its own loss network",
    "table6": "the rate at which adalfl learns its loss",
    "table7": "what adalfl judges its loss on",
}
