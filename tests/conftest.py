"""One thread for the tests and what they start: small tensors gain nothing from more, and lose where cores are shared."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
