"""One thread for the tests and what they start: small tensors lose from more where cores are shared."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
