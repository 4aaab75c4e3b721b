"""The forward pass of a small BERT in NumPy, for several sentences at once and without padding.

After Devlin and others, "BERT" (2018), as all-MiniLM-L6-v2 has it: 6 layers of 12 heads, 384 wide. Sentences
of different lengths are usually padded to the longest, and the padding is computed like words. Here all words
of all sentences are the rows of one matrix, so that each layer is four large products; only attention, which
must not look into the neighbour's sentence, goes by groups of sentences that are equally long.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Bert", "Matrix"]

Matrix = npt.NDArray[np.float32]

HEADS: Final = 12
# Rows whose activations stay in a core's second-level cache while one function after another goes over them.
_ROWS_IN_CACHE: Final = 32
_EPSILON: Final = np.float32(1e-12)


class _Group(NamedTuple):
    """Neighbouring sentences of the same length: the first row, how many sentences, how many words each."""

    first: int
    sentences: int
    words: int

    @property
    def rows(self) -> slice:
        return slice(self.first, self.first + self.sentences * self.words)


class _Linear(NamedTuple):
    weight: Matrix  # in by out
    bias: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        product: Matrix = rows @ self.weight
        product += self.bias
        return product


class _Norm(NamedTuple):
    weight: Matrix
    bias: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        rows -= rows.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", rows, rows) / np.float32(rows.shape[1])
        rows *= (1 / np.sqrt(variance + _EPSILON))[:, None]
        rows *= self.weight
        rows += self.bias
        return rows


class _Layer(NamedTuple):
    attention: _Linear  # query, key and value side by side
    attended: _Linear
    attended_norm: _Norm
    wide: _Linear
    narrow: _Linear
    norm: _Norm

    def __call__(self, rows: Matrix, groups: Sequence[_Group]) -> Matrix:
        projected = self.attention(rows)
        context = np.empty_like(rows)
        for group in groups:
            context[group.rows] = _attention(projected[group.rows], group)
        attended = self.attended(context)
        attended += rows
        attended = self.attended_norm(attended)
        wide = self.wide(attended)
        _gelu(wide)
        out = self.narrow(wide)
        out += attended
        return self.norm(out)


class Bert:
    """The model: token ids in, a vector of length 1 a sentence out (the mean of its words' vectors)."""

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self._words: Matrix = weights["embeddings.word_embeddings.weight"]
        self._places: Matrix = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(weights, "embeddings.LayerNorm")
        layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        self._layers = [_layer(weights, f"encoder.layer.{number}") for number in range(layers)]
        self.width = self._words.shape[1]

    def vectors(self, sentences: Sequence[Sequence[int]]) -> Matrix:
        """A row a sentence, in their order; each needs at least one token."""
        order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
        groups = _groups([len(sentences[number]) for number in order])
        tokens = np.concatenate([np.asarray(sentences[number], dtype=np.int64) for number in order])
        places = np.concatenate([np.tile(np.arange(g.words), g.sentences) for g in groups])
        rows = self._norm(self._words[tokens] + self._places[places])
        for layer in self._layers:
            rows = layer(rows, groups)
        sorted_vectors = np.concatenate(
            [rows[g.rows].reshape(g.sentences, g.words, self.width).mean(axis=1) for g in groups]
        )
        sorted_vectors /= np.linalg.norm(sorted_vectors, axis=1, keepdims=True)
        vectors = np.empty_like(sorted_vectors)
        vectors[order] = sorted_vectors
        return vectors


def _groups(lengths: Sequence[int]) -> list[_Group]:
    groups, first = [], 0
    for words, same in groupby(lengths):
        group = _Group(first, len(list(same)), words)
        groups.append(group)
        first = group.rows.stop
    return groups


def _attention(projected: Matrix, group: _Group) -> Matrix:
    """Each word as the mean of its sentence's words, weighted by how much it has to do with them."""
    width = projected.shape[1] // 3
    parts = projected.reshape(group.sentences, group.words, 3, HEADS, width // HEADS)
    query, key, value = parts.transpose(2, 0, 3, 1, 4)
    weights = query @ key.transpose(0, 1, 3, 2)
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=-1, keepdims=True)
    context: Matrix = (weights @ value).transpose(0, 2, 1, 3)
    return context.reshape(-1, width)


def _gelu(rows: Matrix) -> None:
    """Hendrycks and Gimpel's GELU in place, by their tanh formula: NumPy has no error function.

    (1 + tanh y) / 2 = 1 / (1 + exp(-2y)), and NumPy's exp is the faster one.
    """
    with np.errstate(over="ignore"):  # far below zero it is infinite, and the quotient zero, as it should be
        for first in range(0, len(rows), _ROWS_IN_CACHE):
            part = rows[first : first + _ROWS_IN_CACHE]
            inner = part * part
            inner *= np.float32(-2 * 0.044715 * np.sqrt(2 / np.pi))
            inner -= np.float32(2 * np.sqrt(2 / np.pi))
            inner *= part
            np.exp(inner, out=inner)
            inner += np.float32(1)
            part /= inner


def _layer(weights: Mapping[str, Any], name: str) -> _Layer:
    own = f"{name}.attention.self"
    parts = [_linear(weights, f"{own}.{part}") for part in ("query", "key", "value")]
    scale = np.float32(1 / np.sqrt(parts[0].weight.shape[1] // HEADS))
    parts[0] = _Linear(parts[0].weight * scale, parts[0].bias * scale)  # else every product would need it
    together = _Linear(
        np.concatenate([part.weight for part in parts], axis=1), np.concatenate([part.bias for part in parts])
    )
    return _Layer(
        together,
        _linear(weights, f"{name}.attention.output.dense"),
        _norm(weights, f"{name}.attention.output.LayerNorm"),
        _linear(weights, f"{name}.intermediate.dense"),
        _linear(weights, f"{name}.output.dense"),
        _norm(weights, f"{name}.output.LayerNorm"),
    )


def _linear(weights: Mapping[str, Any], name: str) -> _Linear:
    return _Linear(np.ascontiguousarray(weights[f"{name}.weight"].T), weights[f"{name}.bias"])


def _norm(weights: Mapping[str, Any], name: str) -> _Norm:
    return _Norm(weights[f"{name}.weight"], weights[f"{name}.bias"])
