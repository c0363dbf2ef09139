"""`generate` as users of transformers know it: our own search where it has what they ask for, else their loop."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.utils import ModelOutput

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.model.generate_options import Asked, for_transformers, sort_options
from calvin.model.generation import Candidate, Generated, search_by
from calvin.model.padding import mask_of, padded_left

if TYPE_CHECKING:
    from transformers import Cache

    from calvin.model.configuration import CalvinConfig


@dataclass(frozen=True)
class _Call:
    """Prompts [B, L, H], left-padded, their mask [B, L], and what is asked of them."""

    embeds: Tensor
    mask: Tensor
    asked: Asked


class CalvinGeneration:
    """How a CALVIN writes captions."""

    if TYPE_CHECKING:
        config: CalvinConfig
        generation_config: GenerationConfig

        @property
        def decoder(self) -> PreTrainedModel: ...

        def embed_inputs(
            self, input_ids: Tensor, image_embeds: Tensor | None = None, pixel_values: Tensor | None = None,
            frame_mask: Tensor | None = None,
        ) -> Tensor: ...  # fmt: skip

        def prefix_cache(self, batch: int) -> Cache | None: ...

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        frame_mask: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        inputs: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **options: Any,
    ) -> Any:
        """Captions as token ids, greedy, by beams or by sampling.

        Args:
            input_ids: [B, L], as the processor lays them out (or `inputs`); padding on the right is turned.
            attention_mask: [B, L]; without one, what is padding is told by the padding token.
            image_embeds: [B, F, D], or `pixel_values` [B, F, C, H, W]; with `frame_mask` [B, F].
            generation_config: instead of the model's own.
            inputs_embeds: [B, L, H] from `embed_inputs`, instead of ids and visual.
            options: those of transformers' `generate` (docs/transformers.md lists them), such as `max_new_tokens`,
                `num_beams`, `do_sample`, `temperature`, `streamer`, `stop_strings`, `return_dict_in_generate`.

        Returns:
            New tokens only, [B * num_return_sequences, L'], padded after the end; processors and stopping criteria see
            these alone, too. With `return_dict_in_generate`, transformers' output with these as `sequences`.

        Raises:
            UsageError: an option that is unknown, cannot be had or is out of range.
            DataError, FeatureError: prompts or vectors that cannot be used.
        """
        visual = {"image_embeds": image_embeds, "pixel_values": pixel_values, "frame_mask": frame_mask}
        ids = input_ids if input_ids is not None else inputs
        call = self._call(ids, attention_mask, generation_config, inputs_embeds=inputs_embeds, **visual, **options)
        return self._search(call).sequences if call.asked.ours else self._by_transformers(call)

    @torch.no_grad()
    def generate_candidates(self, input_ids: Tensor, **inputs: Any) -> list[list[Candidate]]:
        """The `num_return_sequences` candidates of each prompt of [B, L], with their scores, best first.

        It takes what `generate` takes and our own search has. Without `num_return_sequences` every beam is returned.

        Raises:
            UsageError: an option that only transformers' loop has.
        """
        config = inputs.get("generation_config") or self.generation_config
        beams = inputs.get("num_beams", getattr(config, "num_beams", None)) or 1
        inputs.setdefault("num_return_sequences", beams)
        call = self._call(input_ids, **inputs)
        if not call.asked.ours:
            names = ", ".join(sorted({*call.asked.further, *call.asked.arguments}))
            raise UsageError(f"generate_candidates has no {names}: use generate.")
        return self._search(call).candidates()

    def _search(self, call: _Call) -> Generated:
        search, options = search_by(call.asked.options), call.asked.options
        return search(self.decoder, call.embeds, call.mask, options, self.prefix_cache(len(call.embeds)))

    def _call(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        image_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        frame_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **options: Any,
    ) -> _Call:
        """What is to be continued, and how."""
        given = inputs_embeds if inputs_embeds is not None else input_ids
        if given is None:
            raise DataError("Give input_ids or inputs_embeds: there is nothing to continue.")
        asked = sort_options(generation_config or self.generation_config, self.config, options, given.shape[1])
        if attention_mask is None:
            text = self.config.get_text_config()
            pad = asked.options.pad_token_id
            attention_mask = (
                mask_of(given, pad, text.bos_token_id) if given.ndim == 2 else torch.ones_like(given[..., 0]).long()
            )
        if inputs_embeds is None:
            check_vectors(image_embeds, frame_mask)
            inputs_embeds = self.embed_inputs(given, image_embeds, pixel_values, frame_mask)
        return _Call(*padded_left(inputs_embeds, attention_mask), asked)

    def _by_transformers(self, call: _Call) -> Tensor | ModelOutput:
        """The same prompts through transformers' own loop, which has options that our search has not."""
        asked, embeds, mask = call.asked, call.embeds, call.mask
        inputs = for_transformers(asked, embeds.device)
        rows = len(embeds) * max(asked.options.num_beams, asked.options.num_return_sequences)
        prefix = self.prefix_cache(rows)
        if prefix is not None:
            # A prompt is cut by as much as the cache holds already: there, something has to stand before it.
            held = prefix.get_seq_length()
            embeds = torch.cat([embeds.new_zeros(len(embeds), held, embeds.shape[-1]), embeds], dim=1)
            mask = torch.cat([mask.new_ones(len(mask), held), mask], dim=1)
            inputs["cache"] = prefix
        with warnings.catch_warnings():
            # That penalties see new tokens only is what is meant here.
            warnings.filterwarnings("ignore", message=".*`inputs_embeds`.*", category=UserWarning)
            return self.decoder.generate(inputs_embeds=embeds, attention_mask=mask, **inputs)


def check_vectors(image_embeds: Tensor | None, frame_mask: Tensor | None = None) -> None:
    """
    Raises:
        FeatureError: frame vectors [B, F, D] with a NaN or an infinity in a frame that the mask [B, F] leaves in.
    """
    if image_embeds is None:
        return
    sound = image_embeds.isfinite().flatten(2).all(-1) if image_embeds.ndim > 2 else image_embeds.isfinite()
    if frame_mask is not None and frame_mask.shape == sound.shape:
        sound = sound | (frame_mask == 0)
    broken = torch.nonzero(~sound.flatten(1).all(1) if sound.ndim > 1 else ~sound).flatten()
    if len(broken):
        raise FeatureError(f"The frame vectors of row {int(broken[0])} hold NaN or infinity: make them again.")
