"""The protocol card: how a score came about. Scores with unequal cards are not compared in silence.

Beside ours stand the numbers that the paper prints, measured by others on data that ours may not be: Somepalli and
others, "CALVIN: Improved Contextual Video Captioning via Instruction Tuning", Tables 1 and 2.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from calvin.core.config import FrozenConfig


class ProtocolCard(FrozenConfig):
    """Facts that two scores must share to be ranked. An empty text means that a fact is not stated."""

    references_sha256: str = Field(description="of ids and wordings, see `references_checksum`")
    split: str = Field(default="", description="what was evaluated, such as mad-named")
    scenes: int = Field(ge=0)
    cut: str = Field(default="", description="which scenes of a published set: films, files, and a hash of all times")
    media: str = Field(default="", description="which pictures or features, if the split does not say so itself")
    encoder: str = Field(default="", description="vision encoder, with the start of its fingerprint")
    context: str = Field(default="", description="what the prompt held besides the visual, and where that came from")
    question: str = ""
    frames: str = Field(default="", description="how many of a scene, and how they were chosen")
    beams: str = Field(default="", description="how many beams captions were searched with")
    temperature: str = Field(default="", description="what the logits were divided by")
    decoding: str = Field(default="", description="rules of the search, and what was done to its captions")
    bertscore: str = Field(default="", description="setting of BERTScore")
    judges: str = Field(default="", description="models that were asked to judge, and the SHA-256 of their prompts")
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


MEASURES = ("BERTScore", "CIDEr-D", "ROUGE-L", "SPICE")
"""The columns, in points. The paper calls the second "CIDEr", by which captioning papers mean CIDEr-D."""


@dataclass(frozen=True, slots=True)
class Published:
    """A row of a table: `values` in points, in the order of `MEASURES`; None where the paper prints none."""

    system: str
    context: str
    values: tuple[float | None, ...]
    source: str

    @property
    def mapping(self) -> dict[str, float]:
        return {name: value for name, value in zip(MEASURES, self.values, strict=True) if value is not None}


_T1, _T2 = "CALVIN paper, Table 1", "CALVIN paper, Table 2"
_QUOTED = f"{_T1}, quoted there from the original paper"

PUBLISHED: dict[str, tuple[Published, ...]] = {
    "mad-named": (
        Published("ClipCap", "none", (11.8, 4.4, 8.5, 1.1), _T1),
        Published("CapDec", "none", (14.3, 6.7, 8.2, 1.4), _T1),
        Published("CALVIN 7B", "none", (27.25, 14.74, 11.9, 3.89), _T1),
        Published("AutoAD-I", "6 scenes", (23.8, 21.9, 13.9, 4.8), _QUOTED),
        Published("AutoAD-II", "characters", (None, 19.5, 13.4, None), _QUOTED),
        Published("CALVIN 7B", "3 scenes", (39.08, 25.47, 16.30, 7.33), _T1),
        Published("CALVIN 7B", "5 scenes", (40.18, 27.71, 16.83, 7.76), _T1),
    ),
    "tvc": (
        Published("Video-LLaMA", "names, zero-shot", (28.29, 3.34, 5.61, 3.52), _T2),
        Published("MovieChat", "names, zero-shot", (38.11, 8.43, 12.09, 9.21), _T2),
        Published("Video-LLaVA", "names, zero-shot", (48.44, 12.4, 15.8, 10.9), _T2),
        Published("CALVIN 7B", "names, zero-shot", (52.16, 38.9, 20.1, 14.27), _T2),
    ),
    "cmd-ad": (),
    "tv-ad": (),
}
"""Rows by split. Of CMD-AD and TV-AD there are none: the tables of the papers that print them could not be read, and
nothing is copied from memory or from others' quotations."""
