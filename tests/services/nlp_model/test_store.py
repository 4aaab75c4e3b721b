"""The vector database: what it finds, and that a second start finds it there."""

import numpy as np
import pytest

from services.nlp_model.store import VectorStore


def _vectors(count=500, width=48):
    rows = np.random.default_rng(3).standard_normal((count, width), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_it_finds_the_nearest_with_their_cosines(tmp_path):
    rows = _vectors()
    store = VectorStore.opened(tmp_path / "new" / "index.usearch", 48, lambda: rows)
    cosines = rows @ rows[7]
    found = store.nearest(rows[7], 5)
    assert [number for number, _ in found] == list(np.argsort(-cosines)[:5])
    assert [score for _, score in found] == pytest.approx(sorted(cosines)[:-6:-1], abs=1e-5)
    assert len(store) == 500


def test_a_second_one_opens_the_file_and_asks_for_no_vectors(tmp_path):
    file = tmp_path / "index.usearch"
    VectorStore.opened(file, 48, _vectors)

    def again():
        raise AssertionError("the index was there")

    assert len(VectorStore.opened(file, 48, again)) == 500
    assert [each.name for each in tmp_path.iterdir()] == ["index.usearch"]


def test_a_file_of_other_dimensions_is_refused(tmp_path):
    file = tmp_path / "index.usearch"
    VectorStore.opened(file, 48, _vectors)
    with pytest.raises(ValueError, match="isn't an index of 64 dimensions"):
        VectorStore.opened(file, 64, _vectors)
