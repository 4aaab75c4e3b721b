"""The vectors are those of all-MiniLM-L6-v2: against figures that were published, and by what must hold."""

import math

import numpy as np
import pytest

from services.nlp_model import bert
from services.nlp_model.embedding import SentenceEncoder

# Sentence Transformers' quickstart prints these similarities for this model, to four digits.
QUICKSTART = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
PUBLISHED = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
SENTENCES = [*QUICKSTART, "ok", "Where is my order?", "word " * 40]


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture
def exact_gelu(monkeypatch):
    def exact(rows):
        rows *= 0.5 * (1 + np.vectorize(math.erf)(rows / math.sqrt(2)))

    return lambda: monkeypatch.setattr(bert, "_gelu", exact)


def _off(vectors):
    return np.abs(vectors @ vectors.T - PUBLISHED).max()


def test_similarities_are_the_published_ones_to_every_digit_with_the_exact_gelu(encoder, exact_gelu):
    assert _off(encoder.vectors(QUICKSTART)) < 2e-4
    exact_gelu()
    assert _off(encoder.vectors(QUICKSTART)) < 5.5e-5


def test_the_tanh_formula_of_gelu_turns_no_vector_noticeably(encoder, exact_gelu):
    fast = encoder.vectors(SENTENCES)
    exact_gelu()
    assert (fast * encoder.vectors(SENTENCES)).sum(axis=1).min() > 0.9999


def test_a_sentence_has_the_same_vector_alone_and_among_others_of_any_length(encoder):
    together = encoder.vectors(SENTENCES)
    alone = np.concatenate([encoder.vectors([sentence]) for sentence in SENTENCES])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(encoder.vectors(SENTENCES[::-1])[::-1], alone, atol=1e-5)


def test_vectors_have_384_numbers_and_the_length_1(encoder):
    vectors = encoder.vectors(SENTENCES)
    assert vectors.shape == (len(SENTENCES), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_comes_after_128_tokens_is_not_read(encoder):
    read = "one " * 126  # and the two tokens that begin and end every text
    assert np.allclose(encoder.vectors([read]), encoder.vectors([read + "elephant"]), atol=1e-6)
    assert not np.allclose(encoder.vectors([read[4:]]), encoder.vectors([read[4:] + "elephant"]), atol=1e-6)


def test_a_word_that_the_model_never_saw_falls_into_pieces(encoder):
    assert encoder.tokens("order") == ["[CLS]", "order", "[SEP]"]
    assert len(encoder.tokens("Lieferverzögerung")) > 5
