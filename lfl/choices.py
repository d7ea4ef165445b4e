"""Names beside the catalogue's: devices, engines, batch norm of several processes, exports, reductions, tables."""

from .entry import FormatEntry

DEVICES = {
    "auto": "cuda, mps or cpu, the first that is there (the default)",
    "cpu": "the processor",
    "cuda": "an NVIDIA GPU",
    "mps": "an Apple GPU",
}
BATCH_NORM = {
    "local": "statistics of each rank's examples; running ones are the mean of the ranks'",
    "synchronised": "statistics of all ranks' examples together, as one process has them",
}
"""Whose statistics batch norm takes where several processes take a step together."""

LOGS = {
    "none": "nowhere",
    "tensorboard": "event files in the run folder (pip install 'lfl[tensorboard]')",
    "csv": "the table metrics.csv in the run folder",
    "wandb": "Weights & Biases (pip install 'lfl[wandb]')",
    "mlflow": "MLflow (pip install 'lfl[mlflow]')",
}
ENGINES = {
    "loky": "processes on this machine, as many as --jobs says (the default)",
    "dask": "a dask cluster, by the address of its scheduler: dask=tcp://127.0.0.1:8786 (pip install 'lfl[dask]')",
    "ray": "a ray cluster (pip install 'lfl[ray]')",
}
EXPORTS = {
    "torch": FormatEntry("a torch.export program, which torch.export.load reads without lfl", ".pt2"),
    "onnx": FormatEntry("an ONNX model (pip install 'lfl[onnx]')", ".onnx"),
    "sympy": FormatEntry(
        "a small closed formula with its error, as text; of a symbolic loss the formula itself", ".txt"
    ),
    "latex": FormatEntry("the same formula in LaTeX, as text", ".tex"),
    "folder": FormatEntry("a folder to share, with a model card, which lfl.load_loss reads", ""),
}
REDUCTIONS = {
    "mean": "over examples (the default)",
    "sum": "over examples, and over the outputs of a regression",
    "none": "a loss for each example, or for each output of a regression",
}
TABLES = {
    "table1": "test errors of baseline, ml3, meta-lr and adalfl",
    "table2": "their times, from the same runs",
    "table3": "inner steps of ml3's offline steps",
    "table4": "Taylor polynomials in place of the loss network",
    "table5": "ml3 with its own loss network",
    "table6": "the rate at which adalfl learns its loss",
    "table7": "the data that adalfl measures its loss on",
}
"""The tables of the paper that `lfl reproduce` makes."""
