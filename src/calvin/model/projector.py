"""From frame vectors to visual embeddings: frame positions, Q-Former, one linear layer (CALVIN section 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Blip2QFormerModel
from transformers import initialization as init

from calvin.core.errors import DataError, FeatureError
from calvin.model.configuration import CalvinConfig


class FrameProjector(nn.Module):
    """image_embeds [B, F, D] with frame_mask [B, F] to visual embeddings [B, Q, H], H the width of the language model.

    What each projector has: `language_projection`, its last layer; `project`, what it computes of frames that were
    checked; and how its weights are drawn.
    """

    language_projection: nn.Linear

    def __init__(self, config: CalvinConfig) -> None:
        super().__init__()
        self.config = config

    def init_weights(self) -> None:
        """Draw what is not drawn by the modules inside; the output starts at the scale of word embeddings."""
        raise NotImplementedError

    def scale_projection(self, embedding_std: float) -> None:
        """Draw the last layer anew for word embeddings of this scale."""
        raise NotImplementedError

    def scale_positions(self, std: float) -> None:
        """Draw the frame positions anew with this spread, where there are any."""

    def project(self, image_embeds: Tensor, frame_mask: Tensor) -> Tensor:
        """Visual embeddings [B, Q, H] of frame vectors [B, F, D], in the weights' dtype, and their mask [B, F]."""
        raise NotImplementedError

    def forward(self, image_embeds: Tensor, frame_mask: Tensor | None = None) -> Tensor:
        """Visual embeddings [B, Q, H] of frame vectors.

        Args:
            image_embeds: [B, F, D], F between 1 and `max_frames`.
            frame_mask: [B, F], 1 for a real frame; None where all are.

        Raises:
            FeatureError: another width than the encoder's, or too many frames.
            DataError: a mask of another shape, or a row without a real frame.
        """
        self._check(image_embeds, frame_mask)
        if frame_mask is None:
            frame_mask = torch.ones(image_embeds.shape[:2], dtype=torch.long, device=image_embeds.device)
        return self.project(image_embeds.to(self.language_projection.weight.dtype), frame_mask.to(torch.long))

    def _check(self, image_embeds: Tensor, frame_mask: Tensor | None) -> None:
        expected = self.config.image_embed_dim
        if image_embeds.ndim != 3 or image_embeds.shape[-1] != expected:
            encoder = self.config.encoder_id or "its encoder"
            raise FeatureError(
                f"Frame vectors of shape {list(image_embeds.shape)} do not fit: the model takes [batch, frames, "
                f"{expected}] from {encoder}; make the features with that encoder."
            )
        frames = image_embeds.shape[1]
        if not 1 <= frames <= self.config.max_frames:
            raise FeatureError(
                f"A sample of {frames} frames does not fit a model for 1 to {self.config.max_frames}: "
                "sample the scene's frames evenly first."
            )
        if frame_mask is None:
            return
        if frame_mask.shape != image_embeds.shape[:2]:
            raise DataError(
                f"frame_mask is {list(frame_mask.shape)} but the frame vectors are {list(image_embeds.shape[:2])}: "
                "give one entry per frame."
            )
        if not frame_mask.any(dim=1).all():
            raise DataError("A sample with visual placeholders has no real frame: mark at least one in frame_mask.")


class CalvinProjector(FrameProjector):
    """CALVIN's own: frame positions, Q-Former, one linear layer.

    A learned position is added to each frame, in the encoder's width, before cross-attention. The queries see the
    frames in every layer; the mask keeps padding frames out, so images are videos of one frame.
    """

    def __init__(self, config: CalvinConfig) -> None:
        super().__init__(config)
        width = config.qformer_config.hidden_size
        self.frame_position_embedding = nn.Embedding(config.max_frames, config.image_embed_dim)
        self.query_tokens = nn.Parameter(torch.empty(1, config.num_query_tokens, width))
        self.qformer = Blip2QFormerModel(config.qformer_config)
        self.language_projection = nn.Linear(width, config.text_config.hidden_size)

    def init_weights(self) -> None:
        """Queries normal(0, 0.02); the projection so that its output starts at the scale of word embeddings."""
        std = self.config.initializer_range
        init.normal_(self.query_tokens, std=std)
        self.scale_positions(std)
        self.scale_projection(getattr(self.config.text_config, "initializer_range", std))

    def scale_projection(self, embedding_std: float) -> None:
        """Draw the projection anew for word embeddings of this scale.

        The Q-Former ends in a LayerNorm, so each of its H outputs has variance about 1 and their weighted sum
        H times the weights' variance.
        """
        width = self.config.qformer_config.hidden_size
        init.normal_(self.language_projection.weight, std=embedding_std / width**0.5)
        init.zeros_(self.language_projection.bias)

    def scale_positions(self, std: float) -> None:
        """Draw the frame positions anew with this spread: beside vectors of unit scale, a spread of 0.02 hardly
        shows which frame came first."""
        init.normal_(self.frame_position_embedding.weight, std=std)

    def project(self, image_embeds: Tensor, frame_mask: Tensor) -> Tensor:
        batch, frames, _ = image_embeds.shape
        queries = self.qformer(
            query_embeds=self.query_tokens.expand(batch, -1, -1),
            encoder_hidden_states=image_embeds + self.frame_position_embedding.weight[:frames],
            encoder_attention_mask=frame_mask,
        ).last_hidden_state
        return self.language_projection(queries)
