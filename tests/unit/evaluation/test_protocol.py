from __future__ import annotations

import pytest

from calvin.core.errors import ConfigError
from calvin.evaluation.protocol import ProtocolCard, references_checksum, unequal


def test_the_checksum_is_of_ids_and_words_alone() -> None:
    first = references_checksum({"a": ["x", "y"], "b": ["z"]})
    assert first == references_checksum({"b": ("z",), "a": ("y", "x")})
    others = [{"a": ["x", "y"], "b": ["z's"]}, {"a": ["x", "y"], "c": ["z"]}, {"a": ["x"], "b": ["y", "z"]}, {}]
    assert len({first, *map(references_checksum, others)}) == 5


def test_unequal_fields_are_named_with_each_value() -> None:
    one = ProtocolCard(references_sha256="a", scenes=3, context="none", beams="5")
    assert unequal([one, one]) == {}
    found = unequal([one, one.changed(context="3 previous captions", beams="")])
    assert found == {"context": ("none", "3 previous captions"), "beams": ("5", "not stated")}


def test_a_card_has_no_other_fields() -> None:
    with pytest.raises(ConfigError, match="contxt"):
        ProtocolCard.load({"references_sha256": "a", "scenes": 1, "contxt": "none"})
