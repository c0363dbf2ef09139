"""One interface to everything that can caption a scene."""

from calvin.captioners.base import (
    CaptionAnswer,
    Captioner,
    CaptionerInfo,
    CaptionRequest,
    FeatureCaptioner,
    OpenOptions,
)
from calvin.captioners.registry import CAPTIONERS, open_captioner
from calvin.core.types import EncoderIdentity

__all__ = [
    "CAPTIONERS",
    "CaptionAnswer",
    "CaptionRequest",
    "Captioner",
    "CaptionerInfo",
    "EncoderIdentity",
    "FeatureCaptioner",
    "OpenOptions",
    "open_captioner",
]
