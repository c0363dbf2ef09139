"""What a step costs: floating-point operations and memory, counted from the model's shapes.

A multiply-add counts as two operations. Attention counts whole (not its causal half), as in PaLM's and most published
utilisations; what activation checkpointing computes again is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from calvin.training.loop.distributed import decoder_layers

A100_FLOPS, H100_FLOPS = 312e12, 989e12
"""Dense bfloat16 peak per second, from NVIDIA's data sheets."""

ADAM_BYTES = 16
"""Bytes of a parameter that is trained: float32 weight, gradient and two moments."""
CUDA_BYTES = 2 * 2**30
"""Context, libraries and what the allocator cannot use; assumed."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The shape of a micro-batch on one GPU.

    Args:
        samples: rows B.
        length: tokens per row L, visual placeholders and padding included.
        predicted: positions K at which logits are computed.
        frames: frame vectors per row F.
    """

    samples: int
    length: int
    predicted: int
    frames: int

    @property
    def tokens(self) -> int:
        return self.samples * self.length


def _matrices(modules: Iterable[nn.Module], within: str = "") -> int:
    """Weights of the linear layers, each of which costs two operations per token."""
    return sum(
        layer.weight.numel()
        for module in modules
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear) and within in name and "lora_" not in name
    )


def step_flops(model: Any, trains: Collection[str], batch: BatchShape) -> float:
    """Operations of one forward and backward pass of a micro-batch.

    Args:
        model: a CALVIN, on the meta device or any other, with its adapter.
        trains: parts as `StageConfig.trains` names them.
    """
    text, tokens = model.config.text_config, batch.tokens
    layers = list(decoder_layers(model))
    heads = text.num_attention_heads * (getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    head = 2 * text.vocab_size * text.hidden_size * batch.samples * batch.predicted
    linear = 2 * _matrices(layers) * tokens + head
    attention = 4 * heads * batch.samples * batch.length**2 * len(layers)
    # Gradients pass through the language model whatever is trained, to what lies before it or inside it: frozen
    # weights cost a forward and one backward pass (2), trained ones and attention a second backward pass (3).
    lora = sum(value.numel() for name, value in model.named_parameters() if "lora_" in name)
    total = 2.0 * linear + 3 * attention + 3 * 2 * lora * tokens
    if "language_model" in trains:
        total += linear
    projected = {"projector", "qformer", "language_projection"} & set(trains)
    return total + (3 if projected else 1) * projector_flops(model, batch)


def projector_flops(model: Any, batch: BatchShape) -> float:
    """Operations of the projector's forward pass."""
    config, rows = model.config.qformer_config, batch.samples
    queries, frames = model.config.num_query_tokens, batch.frames
    if model.config.projector_type == "clipcap":
        return float(rows * 2 * _matrices([model.projector]))
    if model.config.projector_type == "autoad":
        blocks, width = list(model.projector.encoder.layers), model.config.image_embed_dim
        together = queries + frames
        # The projections to queries, keys and values are one matrix that is no linear layer of its own.
        read = 2 * (_matrices(blocks) + 3 * width**2 * len(blocks)) * together + 4 * width * together**2 * len(blocks)
        return float(rows * (read + 2 * model.projector.language_projection.weight.numel() * queries))
    layers = list(model.projector.qformer.encoder.layer)
    # Keys and values are made of the frames, everything else of the queries.
    from_frames = sum(_matrices(layers, f"crossattention.attention.{part}") for part in ("key", "value"))
    from_queries = _matrices(layers) - from_frames + model.projector.language_projection.weight.numel()
    attention = 4 * config.hidden_size * queries * (queries + frames) * len(layers)
    return float(rows * (2 * from_frames * frames + 2 * from_queries * queries + attention))


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU."""

    weights: float
    training: float
    activations: float

    @property
    def total(self) -> float:
        return self.weights + self.training + self.activations + CUDA_BYTES


def memory(model: Any, batch: BatchShape, gpus: int, sharded: bool, checkpointing: bool) -> Memory:
    """Memory of a step on one of `gpus`, in bfloat16; the vision tower is not there in training."""
    parts = [(name, value) for name, value in model.named_parameters() if not name.startswith("vision_tower.")]
    trained = sum(value.numel() for _, value in parts if value.requires_grad)
    projector = sum(value.numel() for name, value in parts if name.startswith("projector."))
    sizes = [(value, 4 if name.startswith("projector.") else 2) for name, value in parts if not value.requires_grad]
    frozen = sum(value.numel() * size for value, size in sizes)
    activations = activation_bytes(model, batch, checkpointing)
    if not sharded or gpus == 1:
        # DDP keeps a second copy of the gradients in its buckets.
        return Memory(frozen, trained * (ADAM_BYTES + (4 if gpus > 1 else 0)), activations)
    layers = [sum(value.numel() for value in layer.parameters()) for layer in decoder_layers(model)]
    rest = sum(value.numel() for _, value in parts) - projector - sum(layers)
    # Whole at one time: the layer at work and the next one, the projector, embeddings and head.
    gathered = 2 * (2 * max(layers) + rest) + 4 * projector
    return Memory(frozen / gpus + gathered, trained * ADAM_BYTES / gpus, activations)


def activation_bytes(model: Any, batch: BatchShape, checkpointing: bool, width: int = 2) -> float:
    """What the language model keeps for the backward pass, at `width` bytes per value, with attention never spelt out.

    A gated layer keeps about eight vectors of its width (around norms, attention and residuals) and four of the
    feed-forward's; with checkpointing its input only, and one layer at a time is recomputed. Logits are kept in the
    model's dtype, float32 and their softmax.
    """
    text, layers = model.config.text_config, len(list(decoder_layers(model)))
    layer = batch.tokens * width * (8 * text.hidden_size + 4 * text.intermediate_size)
    between = batch.tokens * width * text.hidden_size
    logits = batch.samples * batch.predicted * text.vocab_size * (width + 4 + 4)
    return logits + (layers * between + layer if checkpointing else layers * layer)
