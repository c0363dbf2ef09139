"""The model: vision tower, projector (frame positions, Q-Former, linear), language model, and their processor.

Importing this registers CALVIN and its frame encoder with transformers' Auto classes.
"""

from calvin.model.configuration import CalvinConfig
from calvin.model.generation import Candidate, Options
from calvin.model.modeling import CalvinForConditionalGeneration, CalvinOutput
from calvin.model.pretrained import encoder_identity, load_calvin, load_vision_tower, tower_hash
from calvin.model.processing import VISUAL_TOKEN, CalvinProcessor
from calvin.model.projector import CalvinProjector
from calvin.model.vision import CalvinFrameEncoder, CalvinFrameEncoderConfig, encode_images

__all__ = [
    "VISUAL_TOKEN",
    "CalvinConfig",
    "CalvinForConditionalGeneration",
    "CalvinFrameEncoder",
    "CalvinFrameEncoderConfig",
    "CalvinOutput",
    "CalvinProcessor",
    "CalvinProjector",
    "Candidate",
    "Options",
    "encode_images",
    "encoder_identity",
    "load_calvin",
    "load_vision_tower",
    "tower_hash",
]
