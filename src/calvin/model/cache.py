"""A prompt's keys and values, computed once and shared by the rows that continue it."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


class TailLayer(DynamicLayer):
    """Keys and values [R, heads, length, width] of one layer, with room to grow in place.

    All rows of a group (the beams of a prompt) have the same first `shared` positions, so a reordering within groups
    moves the rest only. DynamicLayer would copy everything at each step, to append and again to reorder.
    """

    def __init__(self, keys: Tensor, values: Tensor, repeats: int, room: int) -> None:
        super().__init__()
        self.device, self.dtype, self.is_initialized = keys.device, keys.dtype, True
        self.shared = self.length = keys.shape[-2]
        self.store = [self._with_room(tensor, repeats, room) for tensor in (keys, values)]
        self._show()

    @staticmethod
    def _with_room(tensor: Tensor, repeats: int, room: int) -> Tensor:
        rows, heads, length, width = tensor.shape
        store = tensor.new_empty(rows * repeats, heads, length + room, width)
        store[:, :, :length] = tensor.repeat_interleave(repeats, dim=0)
        return store

    def _show(self) -> None:
        self.keys, self.values = (tensor[:, :, : self.length] for tensor in self.store)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append keys and values [R, heads, new, width]; returns all of them."""
        start, self.length = self.length, self.length + key_states.shape[-2]
        for store, new in zip(self.store, (key_states, value_states), strict=True):
            store[:, :, start : self.length] = new
        self._show()
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Row i goes on from row `beam_idx[i]`, [R]; only what is not shared is moved."""
        for store in self.store:
            # Beams of one prompt have its keys and values in common; only what they wrote themselves differs.
            tail = store[:, :, self.shared : self.length]
            tail.copy_(tail[beam_idx])

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep only these rows, [R'], in this order."""
        self.store = [store[indices] for store in self.store]
        self._show()


class Decoding:
    """Rows that are being continued token by token.

    Args:
        decoder: a causal language model.
        inputs_embeds: prompts [B, L, H], left-padded.
        attention_mask: [B, L].
        room: how many new tokens at most.
        prefix: a learned prefix's keys and values for B rows.

    `logits` [R, V] float32 are those of the next token.
    """

    def __init__(
        self, decoder: PreTrainedModel, inputs_embeds: Tensor, attention_mask: Tensor, room: int, prefix: Cache | None
    ) -> None:
        self.decoder, self.room = decoder, room
        length = inputs_embeds.shape[1]
        if prefix is not None:
            seen = attention_mask.new_ones(len(attention_mask), prefix.get_seq_length())
            attention_mask = torch.cat([seen, attention_mask], dim=1)
        self.mask = attention_mask
        # Counted over the mask, so that padding takes up no positions; only the last of them predicts a new token.
        positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
        self.next_position = positions[:, -1:] + 1
        outputs = decoder(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=positions[:, -length:],
            cache=prefix if prefix is not None else DynamicCache(config=decoder.config),
            use_cache=True,
            logits_to_keep=1,
        )
        self.cache: Cache = outputs.cache
        self.logits = outputs.logits[:, -1].float()

    def expand(self, repeats: int) -> None:
        """Each row `repeats` times, one after the other."""
        if all(type(layer) is DynamicLayer for layer in self.cache.layers):
            self.cache.layers = [TailLayer(layer.keys, layer.values, repeats, self.room) for layer in self.cache.layers]
        elif repeats > 1:  # a sliding window or a recurrent state: as transformers does it
            self.cache.batch_repeat_interleave(repeats)
        self.mask = self.mask.repeat_interleave(repeats, dim=0)
        self.next_position = self.next_position.repeat_interleave(repeats, dim=0)
        self.logits = self.logits.repeat_interleave(repeats, dim=0)

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token per row, [R]; the logits [R, V] that follow it."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        outputs = self.decoder(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=self.next_position,
            cache=self.cache,
            use_cache=True,
        )
        self.next_position = self.next_position + 1
        self.logits = outputs.logits[:, -1].float()
        return self.logits

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on from row `rows[i]`, [R], which continues the same prompt."""
        self.cache.reorder_cache(rows)

    def select(self, rows: Tensor) -> None:
        """Keep only these rows, [R'], in this order."""
        self.cache.batch_select_indices(rows)
        self.mask, self.next_position = self.mask[rows], self.next_position[rows]
