"""The benchmark's synthetic knowledge bases: alike on every run, and as they are said to be."""

import numpy as np
import pytest

from bench.search.synthetic import BLOCK, DOCUMENTATION, VISIBLE, Synthetic, chunk_number, code


@pytest.fixture(scope="module")
def synthetic() -> Synthetic:
    return Synthetic(seed=3, sources=DOCUMENTATION[-1:])


def test_a_smaller_base_is_the_beginning_of_a_larger_one(synthetic: Synthetic) -> None:
    (few,) = synthetic.chunks(50)
    (many,) = Synthetic(seed=3, sources=DOCUMENTATION[-1:]).chunks(BLOCK)
    assert [each.text for each in few] == [each.text for each in many[:50]]
    assert np.array_equal(few[7].vector, many[7].vector)
    assert [chunk_number(each.chunk_id) for each in few] == list(range(50))
    (other,) = Synthetic(seed=4, sources=DOCUMENTATION[-1:]).chunks(50)
    assert other[7].text != few[7].text


def test_who_sees_how_much(synthetic: Synthetic) -> None:
    chunks = [each for number in range(3) for each in synthetic.block(number)]
    for visible, groups in VISIBLE.items():
        wanted = float(visible.removesuffix(" %")) / 100
        assert sum(each.group in groups for each in chunks) / len(chunks) == pytest.approx(wanted, rel=0.35)


def test_words_go_on_growing_and_vectors_have_neighbours(synthetic: Synthetic) -> None:
    first, second = synthetic.block(0), synthetic.block(1)
    known = {word for each in first for word in each.text.split()}
    assert len({word for each in second for word in each.text.split()} - known) > 1000
    vectors = np.stack([each.vector for each in first])
    near = np.sort(vectors[:20] @ vectors.T, axis=1)
    assert np.allclose(near[:, -1], 1, atol=1e-4)
    assert 0.5 < near[:, -10].mean() < 0.95, "neighbours are near"
    assert abs(np.median(near)) < 0.1, "and most others are far"


def test_questions_share_words_and_place_with_a_chunk(synthetic: Synthetic) -> None:
    asked = synthetic.questions(40, of=BLOCK)
    vectors = np.stack([each.vector for each in synthetic.block(0)])
    assert all(vectors[each.source] @ each.vector > 0.8 for each in asked)
    texts = [each.text.split() for each in synthetic.block(0)]
    assert all(len(set(each.text.split()) & set(texts[each.source])) >= 3 for each in asked)
    pages = {each.page for each in synthetic.block(0)}
    assert sum(any(code(page) in each.text.split() for page in pages) for each in asked) >= 2
