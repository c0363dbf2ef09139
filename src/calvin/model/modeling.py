"""CALVIN as a transformers model: vision tower, projector and any causal language model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    Cache,
    GenerationMixin,
    PreTrainedModel,
)
from transformers.utils import ModelOutput

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.core.files import give_usual_modes
from calvin.core.tokens import IGNORE_INDEX
from calvin.model.configuration import CalvinConfig
from calvin.model.generating import CalvinGeneration
from calvin.model.loading import quiet
from calvin.model.mapping import make_projector
from calvin.model.projector import FrameProjector
from calvin.model.vision import build_vision_tower, frame_vectors


@dataclass
class CalvinOutput(ModelOutput):
    """What `forward` gives.

    `logits` are [B, L, V] without labels. With labels they are [B, K, V]: only the positions that predict a labelled
    token in at least one row, `label_positions` [K] (so `logits[:, k]` predicts `labels[:, label_positions[k] + 1]`).
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    label_positions: Tensor | None = None
    cache: Cache | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class CalvinForConditionalGeneration(CalvinGeneration, PreTrainedModel, GenerationMixin):
    """The composite of CALVIN's Figure 2.

    The vision tower (which may be absent) is frozen. It and the projector stay in float32 where the language model is
    loaded in half precision. `language_model` may be wrapped by peft (`calvin.model.tuning`); `decoder` is always the
    transformers model inside.
    """

    config_class = CalvinConfig
    config: CalvinConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _keep_in_fp32_modules_strict = {"projector", "vision_tower"}  # noqa: RUF012 - transformers' own class attribute

    def __init__(self, config: CalvinConfig) -> None:
        super().__init__(config)
        self.vision_tower = build_vision_tower(config.vision_config) if config.vision_config is not None else None
        self.projector = make_projector(config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.freeze_tower()
        self.post_init()

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As transformers', with the vision tower frozen."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.freeze_tower()
        return loaded

    def freeze_tower(self) -> None:
        if self.vision_tower is not None:
            self.vision_tower.requires_grad_(False)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, FrameProjector):
            module.init_weights()

    def _initialize_weights(self, module: nn.Module, is_custom_code: bool = False) -> None:
        # Of code from outside, transformers takes a module without weights of its own, as ClipCap's, for a loaded one.
        super()._initialize_weights(module, is_custom_code and not isinstance(module, FrameProjector))

    @property
    def decoder(self) -> PreTrainedModel:
        """The language model as transformers knows it, without peft's wrapper."""
        unwrap = getattr(self.language_model, "get_base_model", None)
        return unwrap() if unwrap else self.language_model

    def get_input_embeddings(self) -> nn.Module:
        return self.decoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.decoder.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.decoder.get_output_embeddings()

    def set_output_embeddings(self, value: nn.Module) -> None:
        self.decoder.set_output_embeddings(value)

    def add_adapter(self, adapter_config: Any, adapter_name: str | None = None) -> None:
        """Put one of peft's adapters on the language model, in place; vision tower and projector are left alone.

        Raises:
            UsageError: the model has an adapter already.
        """
        from peft import get_peft_model

        kind = adapter_of(self)
        if kind is not None:
            raise UsageError(f"The model has a {kind} adapter already: merge or remove it first.")
        if adapter_config.task_type is None:
            adapter_config.task_type = "CAUSAL_LM"
        with warnings.catch_warnings():
            # peft 0.21 asks transformers for a property by its old name
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            self.language_model = get_peft_model(self.language_model, adapter_config, adapter_name or "default")
        self.train(self.training)  # the adapter's own dropout comes switched on

    def train(self, mode: bool = True) -> CalvinForConditionalGeneration:
        """As usual, but a frozen tower stays in evaluation mode, or batch norm would drift."""
        super().train(mode)
        tower = self.vision_tower
        if tower is not None and not any(parameter.requires_grad for parameter in tower.parameters()):
            tower.eval()
        return self

    def encode_frames(self, pixel_values: Tensor, frame_mask: Tensor | None = None) -> Tensor:
        """Frames [B, F, C, H, W] to frame vectors [B, F, D]; masked frames are not run and come out as zeros.

        Raises:
            UsageError: the model was saved without its tower.
        """
        if self.vision_tower is None:
            encoder = self.config.encoder_id or "its encoder"
            raise UsageError(f"This model has no vision tower: give image_embeds made with {encoder}.")
        if pixel_values.ndim != 5:
            raise DataError(
                f"pixel_values must be [batch, frames, channels, height, width], not {pixel_values.ndim}-d."
            )
        real = pixel_values.new_ones(pixel_values.shape[:2]) if frame_mask is None else frame_mask
        real = real.bool()
        dtype = next(self.vision_tower.parameters()).dtype
        vectors = frame_vectors(self.vision_tower, pixel_values[real].to(dtype))
        embeds = vectors.new_zeros(*pixel_values.shape[:2], vectors.shape[-1])
        embeds[real] = vectors
        return embeds

    def embed_inputs(
        self,
        input_ids: Tensor,
        image_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        frame_mask: Tensor | None = None,
    ) -> Tensor:
        """Word embeddings [B, L, H] with the visual placeholders replaced by the projected frames.

        Rows without placeholders are text alone; whatever `image_embeds` holds for them is ignored.

        Raises:
            DataError: a row with another number of placeholders, or placeholders without a visual.
            FeatureError: frame vectors of another width or number than the model takes.
        """
        is_visual = input_ids == self.config.visual_token_id
        # The placeholder may lie outside the vocabulary: token 0 is looked up in its stead and then overwritten.
        embeds = self.get_input_embeddings()(input_ids.masked_fill(is_visual, 0))
        counts = is_visual.sum(dim=1)
        rows = counts > 0
        if not rows.any():
            return embeds
        wrong = counts[rows & (counts != self.config.num_query_tokens)]
        if len(wrong):
            raise DataError(
                f"A row holds {int(wrong[0])} visual placeholders, the model fills {self.config.num_query_tokens}: "
                "lay samples out with the processor of this model."
            )
        if image_embeds is None and pixel_values is None:
            raise DataError(
                f"{int(rows.sum())} rows hold visual placeholders but no visual was given: pass image_embeds."
            )
        visual = image_embeds if image_embeds is not None else pixel_values
        assert visual is not None
        if len(visual) != len(input_ids):
            raise FeatureError(
                f"{len(visual)} visuals for {len(input_ids)} rows: give one per row, padded where it has none."
            )
        mask = frame_mask[rows] if frame_mask is not None else None
        chosen = visual[rows] if image_embeds is not None else self.encode_frames(visual[rows], mask)
        projected = self.projector(chosen, mask)
        return embeds.masked_scatter(is_visual[..., None], projected.to(embeds.dtype))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        frame_mask: Tensor | None = None,
        labels: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """Next-token logits, and with labels the mean loss over labelled tokens, in float32.

        Args:
            input_ids: [B, L]; each row holds `num_query_tokens` placeholders `visual_token_id`, or none.
            attention_mask: [B, L], 0 on padding, on either side.
            image_embeds: [B, F, D] frame vectors, or instead
            pixel_values: [B, F, C, H, W].
            frame_mask: [B, F], 1 for a real frame.
            labels: [B, L], IGNORE_INDEX where nothing is to be learnt; shifted inside.
            position_ids: [B, L]; by default counted over the attention mask.
            inputs_embeds: [B, L, H] instead of `input_ids` and the visual.
            num_items_in_batch: divide the summed loss by this instead of the batch's own labelled tokens; [B]: each
                row's by its own, and the loss is [B].
            return_dict: False for a tuple of what is not None, in the order of `CalvinOutput`.
            kwargs: for the language model.

        Returns:
            A `CalvinOutput`, or the tuple.

        Raises:
            DataError: as `embed_inputs`.
            FeatureError: as `embed_inputs`.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise DataError("Give input_ids or inputs_embeds.")
            inputs_embeds = self.embed_inputs(input_ids, image_embeds, pixel_values, frame_mask)
        batch, length = inputs_embeds.shape[:2]
        if attention_mask is None:
            attention_mask = torch.ones(batch, length, dtype=torch.long, device=inputs_embeds.device)
        prefix = self.prefix_cache(batch)
        if prefix is not None:
            kwargs["cache"] = prefix
            seen = attention_mask.new_ones(batch, prefix.get_seq_length())
            attention_mask = torch.cat([seen, attention_mask], dim=1)
        if position_ids is None:
            # Counted over real tokens, so that padding on either side changes nothing.
            position_ids = (attention_mask.cumsum(-1) - 1).clamp(min=0)[:, -length:]
        kwargs.setdefault("use_cache", prefix is not None)
        positions = label_positions(labels) if labels is not None else None
        if positions is not None:
            # Logits of 32,000 words take most of the memory: they are made only where a row has something to learn.
            kwargs["logits_to_keep"] = positions
        outputs = self.decoder(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, position_ids=position_ids, **kwargs
        )
        loss = None
        if labels is not None and positions is not None:
            loss = token_loss(outputs.logits, labels[:, positions + 1], num_items_in_batch)
        made = CalvinOutput(
            loss, outputs.logits, positions, outputs.get("cache"), outputs.hidden_states, outputs.attentions
        )
        wanted = self.config.return_dict if return_dict is None else return_dict
        return made if wanted else made.to_tuple()

    def prefix_cache(self, batch: int) -> Cache | None:
        """The keys and values of a learned prefix (prefix tuning) for `batch` rows, or None."""
        return self.language_model.get_prompt(batch) if adapter_of(self) == "prefix" else None

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """As transformers', to safetensors; a LoRA is merged into the weights that are written, and only there.

        Raises:
            UsageError: a prefix cannot be merged into the weights.
        """
        kind = adapter_of(self)
        if kind == "prefix":
            raise UsageError("A prefix cannot be merged into the weights: save it as an adapter instead.")
        if kind == "lora" and kwargs.get("state_dict") is None:
            kwargs["state_dict"] = merged_state_dict(self)
        with quiet():
            super().save_pretrained(save_directory, *args, **kwargs)
        give_usual_modes(*Path(save_directory).glob("*.safetensors"))


def label_positions(labels: Tensor) -> Tensor:
    """Positions [K] whose next token is labelled in at least one row of [B, L]; position 0 if there are none."""
    # Labels are shifted here, once: the logits at position i predict token i + 1.
    positions = (labels[:, 1:] != IGNORE_INDEX).any(dim=0).nonzero().squeeze(1)
    return positions if len(positions) else positions.new_zeros(1)


def token_loss(logits: Tensor, targets: Tensor, num_items: Tensor | int | None = None) -> Tensor:
    """Cross-entropy in float32 of [B, K, V] against [B, K], over the labelled targets or `num_items`; where that is
    [B], row by row [B]."""
    by_row = isinstance(num_items, Tensor) and num_items.ndim == 1 and len(num_items) == len(targets)
    total = functional.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=IGNORE_INDEX,
        reduction="none" if by_row else "sum",
    )
    if by_row:
        total = total.view(targets.shape).sum(dim=1)
    # Under accumulation a micro-batch does not know how many tokens the whole batch has; the caller does.
    count = num_items if num_items is not None else (targets != IGNORE_INDEX).sum().clamp(min=1)
    return total / count


def adapter_of(model: CalvinForConditionalGeneration) -> str | None:
    """ "lora" or "prefix" where the language model carries one of peft's adapters."""
    if not getattr(model.language_model, "peft_config", None):
        return None
    return "prefix" if model.language_model.active_peft_config.is_prompt_learning else "lora"


def merged_state_dict(model: CalvinForConditionalGeneration) -> dict[str, Tensor]:
    """The weights, of any shape [...], as they would be with the LoRA merged, by the names they have without."""
    state = {}
    for name, tensor in model.state_dict().items():
        if "lora_" in name:
            continue
        # The delta is added to a copy: merging and unmerging in place would leave rounding behind in the model.
        if name.endswith(".base_layer.weight"):
            layer = model.get_submodule(name.removesuffix(".base_layer.weight"))
            for adapter in layer.active_adapters:
                tensor = tensor + layer.get_delta_weight(adapter)
        plain = name.replace("language_model.base_model.model.", "language_model.").replace(".base_layer.", ".")
        state[plain] = tensor
    return state


AutoModel.register(CalvinConfig, CalvinForConditionalGeneration)
AutoModelForImageTextToText.register(CalvinConfig, CalvinForConditionalGeneration)
AutoModelForMultimodalLM.register(CalvinConfig, CalvinForConditionalGeneration)
