"""The language model: what a question means, as a vector, and which known question comes closest; 5.3.1."""

import os

__all__: list[str] = []

# Read by BLAS when NumPy is first imported, hence here. Its threads spin while they wait for each other: on a
# machine that has something else to do, two of them take ten times the processor time of one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
