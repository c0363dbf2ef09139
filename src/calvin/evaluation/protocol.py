"""The protocol card: how a score came about. Scores with unequal cards are not compared in silence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from pydantic import Field

from calvin.core.config import FrozenConfig


class ProtocolCard(FrozenConfig):
    """Facts that two scores must share to be ranked. An empty text: not stated."""

    references_sha256: str = Field(description="of ids and wordings, see `references_checksum`")
    split: str = Field(default="", description="what was evaluated, such as mad-named")
    scenes: int = Field(ge=0)
    media: str = Field(default="", description="which pictures or features, where the split alone does not say it")
    encoder: str = Field(default="", description="vision encoder, with the start of its fingerprint")
    context: str = Field(default="", description="what the prompt held beside the visual, and where that came from")
    question: str = ""
    frames: str = Field(default="", description="how many of a scene, and how they were chosen")
    beams: str = Field(default="", description="how captions were searched")
    bertscore: str = Field(default="", description="setting of BERTScore")
    pooling: str = Field(default="", description="over what the scores are taken")


def references_checksum(references: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 of ids and reference texts, whatever file form or order they came in.

    MAD's texts circulate in two versions, with and without possessives; their checksums differ.
    """
    digest = hashlib.sha256()
    for identity in sorted(references):
        digest.update(json.dumps([identity, sorted(references[identity])], ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def unequal(cards: Sequence[ProtocolCard]) -> dict[str, tuple[str, ...]]:
    """The fields in which cards differ, with each card's value (`not stated` where empty)."""
    rows = [card.model_dump() for card in cards]
    return {
        name: tuple(str(row[name]) or "not stated" for row in rows)
        for name in ProtocolCard.model_fields
        if len({row[name] for row in rows}) > 1
    }
