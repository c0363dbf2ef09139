"""The mapping networks of two earlier describers, in CALVIN's place for its projector (Table 1 of the paper).

Everything else of a model stays as it is, so that a comparison is one of projectors: the frame vectors, the language
model, the prompt and the data are the same. Written from the papers: Mokady, Hertz and Bermano 2021, "ClipCap: CLIP
Prefix for Image Captioning" (arXiv 2111.09734), and Han et al. 2023, "AutoAD: Movie Description in Context" (arXiv
2303.16899).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import initialization as init

from calvin.core.errors import CheckpointError
from calvin.model.configuration import CalvinConfig
from calvin.model.projector import CalvinProjector, FrameProjector

HEAD_WIDTH = 64
"""Width of one attention head of AutoAD-I's network."""


class ClipCapProjector(FrameProjector):
    """ClipCap's form: one vector of the visual, through a perceptron of one hidden layer, to a prefix of Q embeddings.

    ClipCap captions images. Of a film's scene, the mean of the frame vectors stands for the image: which frame came
    first is lost. The hidden layer is half as wide as the whole prefix unless the configuration says otherwise.
    """

    def __init__(self, config: CalvinConfig) -> None:
        super().__init__(config)
        prefix = config.num_query_tokens * config.text_config.hidden_size
        width = config.mapping_width or max(1, prefix // 2)
        self.hidden = nn.Linear(config.image_embed_dim, width)
        self.language_projection = nn.Linear(width, prefix)

    def init_weights(self) -> None:
        init.normal_(self.hidden.weight, std=self.hidden.in_features**-0.5)
        init.zeros_(self.hidden.bias)
        std = self.config.initializer_range
        self.scale_projection(getattr(self.config.text_config, "initializer_range", std))

    def scale_projection(self, embedding_std: float) -> None:
        # The square of the tanh of a standard normal number is 0.394 on average.
        init.normal_(self.language_projection.weight, std=embedding_std / (0.394 * self.hidden.out_features) ** 0.5)
        init.zeros_(self.language_projection.bias)

    def project(self, image_embeds: Tensor, frame_mask: Tensor) -> Tensor:
        real = frame_mask[..., None].to(image_embeds.dtype)
        mean = (image_embeds * real).sum(dim=1) / real.sum(dim=1)
        prefix = self.language_projection(torch.tanh(self.hidden(mean)))
        return prefix.unflatten(1, (self.config.num_query_tokens, -1))


class AutoADProjector(FrameProjector):
    """AutoAD-I's form: learned prompt vectors and frames through one small transformer, then one linear layer.

    The transformer works at the width of the frame vectors, one head for each 64. Frames get a learned position; the Q
    outputs at the prompt vectors are the prefix. The context of AutoAD-I, the model's own previous captions, is not
    part of this network: they stand in the prompt, as with any CALVIN.
    """

    def __init__(self, config: CalvinConfig) -> None:
        super().__init__(config)
        width = config.image_embed_dim
        self.prompt_vectors = nn.Parameter(torch.empty(1, config.num_query_tokens, width))
        self.frame_position_embedding = nn.Embedding(config.max_frames, width)
        self.frame_norm = nn.LayerNorm(width)
        heads = max(1, width // HEAD_WIDTH)
        while width % heads:
            heads -= 1
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, config.mapping_layers, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.language_projection = nn.Linear(width, config.text_config.hidden_size)

    def init_weights(self) -> None:
        std = self.config.initializer_range
        for block in self.encoder.layers:
            for weight in (block.self_attn.in_proj_weight, block.linear1.weight):
                init.normal_(weight, std=weight.shape[1] ** -0.5)
            for layer in (block.self_attn.out_proj, block.linear2):
                # What is added to the residual, twice a layer, together weighs as much as what was there.
                init.normal_(layer.weight, std=(2 * len(self.encoder.layers) * layer.in_features) ** -0.5)
                init.zeros_(layer.bias)
            init.zeros_(block.self_attn.in_proj_bias)
            init.zeros_(block.linear1.bias)
        init.normal_(self.prompt_vectors, std=1.0)
        # Beside frames that were normalised to a spread of 1, anything narrower hardly tells which came first.
        self.scale_positions(1.0)
        self.scale_projection(getattr(self.config.text_config, "initializer_range", std))

    def scale_positions(self, std: float) -> None:
        init.normal_(self.frame_position_embedding.weight, std=std)

    def scale_projection(self, embedding_std: float) -> None:
        # The encoder ends in a LayerNorm, as the Q-Former does.
        init.normal_(self.language_projection.weight, std=embedding_std / self.config.image_embed_dim**0.5)
        init.zeros_(self.language_projection.bias)

    def project(self, image_embeds: Tensor, frame_mask: Tensor) -> Tensor:
        batch, frames, _ = image_embeds.shape
        prompts = self.prompt_vectors.expand(batch, -1, -1)
        states = self.frame_norm(image_embeds) + self.frame_position_embedding.weight[:frames]
        padding = torch.cat([frame_mask.new_zeros(prompts.shape[:2]), 1 - frame_mask], dim=1).bool()
        read = self.encoder(torch.cat([prompts, states], dim=1), src_key_padding_mask=padding)
        return self.language_projection(read[:, : prompts.shape[1]])


PROJECTORS: dict[str, type[FrameProjector]] = {
    "qformer": CalvinProjector,
    "clipcap": ClipCapProjector,
    "autoad": AutoADProjector,
}
"""By the name that a configuration gives as `projector_type`."""


def make_projector(config: CalvinConfig) -> FrameProjector:
    """The projector that a configuration names, its weights not drawn yet.

    Raises:
        CheckpointError: there is none of that name.
    """
    if config.projector_type not in PROJECTORS:
        raise CheckpointError(
            f"There is no projector {config.projector_type!r}: the configuration's projector_type is one of "
            f"{', '.join(PROJECTORS)}."
        )
    return PROJECTORS[config.projector_type](config)
