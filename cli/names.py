"""What can be chosen, with a line each: known without importing torch, for help, lists and completion."""

TASKS = {
    "digits": "8x8 handwritten digits, 10 classes, inside scikit-learn (the default)",
    "diabetes": "disease progression of 442 patients, regression, inside scikit-learn",
    "mnist": "28x28 handwritten digits, 10 classes, downloaded by torchvision on first use",
}
MODELS = {
    "logistic": "one linear layer",
    "mlp": "two hidden layers of 1000 ReLU units (the default)",
    "lenet5": "LeNet-5 with tanh and average pooling, for images of at least 16x16 pixels",
    "allcnnc": "All-CNN-C with batch norm, nine convolutions, for images of at least 12x12 pixels",
    "resnet18": "ResNet-18 in its CIFAR form, for images",
}
METHODS = {
    "baseline": "train on the task's own loss: cross-entropy or squared error",
    "ml3": "learn a loss offline, then train on it as it stands",
    "adalfl": "learn a loss offline, and go on learning it while the model trains (the default)",
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
PRECISIONS = {
    "float32": "full (the default)",
    "tf32": "inputs of products rounded to 10 bits, on an NVIDIA GPU",
    "bfloat16": "products in 8 bits",
}
DEVICES = {
    "auto": "cuda, mps or cpu, the first that is there (the default)",
    "cpu": "the processor",
    "cuda": "an NVIDIA GPU",
    "mps": "an Apple GPU",
}
