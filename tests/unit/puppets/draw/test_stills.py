from __future__ import annotations

from pathlib import Path

import numpy as np

from calvin.core.tokens import IGNORE_INDEX
from calvin.puppets.draw.stills import SLOTS, Stills, store_stills
from calvin.puppets.lexicon import PROPS

NAMES = list(SLOTS)


def test_most_stills_hold_a_prop_and_all_props_come_up() -> None:
    _, words = Stills(3, width=28, height=16).images_at(0, 400)
    props = words[:, NAMES.index("prop")]
    assert 0.5 < (props > 0).mean() < 0.75
    assert set(props) == set(range(1 + len(PROPS)))
    where = words[:, NAMES.index("prop x")]
    assert ((where == IGNORE_INDEX) | (props > 0)).all(), "a place of nothing"


def test_stills_are_a_function_of_index_and_seed() -> None:
    images, words = Stills(3, width=28, height=16).images_at(5, 6)
    again, same = Stills(3, width=28, height=16).images_at(5, 6)
    assert images.shape == (6, 16, 28, 3)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(words, same)
    assert (Stills(4, width=28, height=16).images_at(5, 6)[0] != images).any()


def test_stored_stills_are_gone_through_anew_in_each_epoch(tmp_path: Path) -> None:
    stored = store_stills(tmp_path, 300, Stills(0, width=28, height=16), workers=1)
    passes = [[stored.images_at(epoch * 8 + i, 64)[1] for i in range(8)] for epoch in range(2)]  # 512, in whole chunks
    first, second = (np.concatenate(batches) for batches in passes)
    assert first.shape == (512, len(NAMES))
    assert (first != second).any()
    assert sorted(map(tuple, first)) == sorted(map(tuple, second))
