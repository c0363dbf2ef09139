"""Tiny video LLMs of random weights, one of each class, saved as users get theirs, with their real processors.

Their random heads only ever say words, so that their answers are captions of a kind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as t
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WORDS = "a man woman in red blue coat waves bows walks sits hands the lamp near house and then door opens slowly"
SPECIAL = [
    *("<s>", "</s>", "<pad>", "<image>", "<video>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"),
    *("<|video_pad|>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<|im_start|>"),
]
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% else %}{{ MARK[part['type']] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT |= {"num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
TEXT |= {"max_position_embeddings": 8192}
CLIP = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28}
CLIP |= {"patch_size": 7, "projection_dim": 16, "model_type": "clip_vision_model"}
SIZE = {"height": 28, "width": 28}


def template(image: str = "<image>", video: str = "<video>") -> str:
    return "{% set MARK = {'image': '" + image + "', 'video': '" + video + "'} %}" + TEMPLATE


def tiny_tokenizer() -> Any:
    """Reads bytes; can write whole words."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*SPECIAL, *letters, *("Ġ" + word for word in WORDS.split())]
    tokens = Tokenizer(models.BPE({word: i for i, word in enumerate(vocabulary)}, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokens.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    return t.PreTrainedTokenizerFast(tokenizer_object=tokens, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def only_words(model: Any) -> None:
    """Let the random head choose among words alone."""
    head = model.get_output_embeddings().weight
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        head.zero_()
        first = len(SPECIAL) + 256
        head[first:] = torch.randn(head[first:].shape, generator=generator)


def _token(word: str) -> int:
    return SPECIAL.index(word)


def _smolvlm(tokenizer: Any) -> tuple[Any, Any]:
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 7}
    text = {"model_type": "llama", "vocab_size": len(tokenizer), **TEXT}
    config = t.SmolVLMConfig(
        vision_config=vision, text_config=text, image_token_id=_token("<image>"), scale_factor=2, pad_token_id=2
    )
    edge = {"longest_edge": 28}
    processor = t.SmolVLMProcessor(
        t.SmolVLMImageProcessor(size=edge, max_image_size=edge, do_image_splitting=False),
        tokenizer,
        t.SmolVLMVideoProcessor(size=edge, max_image_size=edge, num_frames=64, fps=1),
        image_seq_len=4,
        chat_template=template(),
    )
    return t.SmolVLMForConditionalGeneration(config), processor


def _qwen(family: str) -> Callable[[Any], tuple[Any, Any]]:
    def build(tokenizer: Any) -> tuple[Any, Any]:
        three = family == "Qwen3VL"
        patch = 8
        vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "patch_size": patch}
        vision |= {"out_hidden_size": 32}
        vision |= (
            {"num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
            if three
            else {"fullatt_block_indexes": [0], "window_size": 32}
        )
        text = {"vocab_size": len(tokenizer), **TEXT}
        text["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
        text |= {"head_dim": 16} if three else {}
        config = getattr(t, f"{family}Config")(
            vision_config=vision,
            text_config=text,
            image_token_id=_token("<|image_pad|>"),
            video_token_id=_token("<|video_pad|>"),
            vision_start_token_id=_token("<|vision_start|>"),
            vision_end_token_id=_token("<|vision_end|>"),
        )
        size = {"shortest_edge": 256, "longest_edge": 2048}
        shape = {"patch_size": patch, "temporal_patch_size": 2, "merge_size": 2, "size": size}
        video = (t.Qwen3VLVideoProcessor if three else t.Qwen2VLVideoProcessor)(**shape)
        marks = [f"<|vision_start|><|{kind}_pad|><|vision_end|>" for kind in ("image", "video")]
        # Qwen3-VL's processor writes start and end around each frame by itself.
        processor = getattr(t, f"{family}Processor")(
            t.Qwen2VLImageProcessor(**shape),
            tokenizer,
            video,
            chat_template=template(marks[0], "<|video_pad|>" if three else marks[1]),
        )
        return getattr(t, f"{family}ForConditionalGeneration")(config), processor

    return build


def _llava_next_video(tokenizer: Any) -> tuple[Any, Any]:
    config = t.LlavaNextVideoConfig(
        vision_config=CLIP,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **TEXT},
        image_token_index=_token("<image>"),
        video_token_index=_token("<video>"),
        image_grid_pinpoints=[[28, 28]],
    )
    shape = {"size": {"shortest_edge": 28}, "crop_size": SIZE}
    processor = t.LlavaNextVideoProcessor(
        t.LlavaNextVideoVideoProcessor(**shape),
        t.LlavaNextImageProcessor(**shape, image_grid_pinpoints=[[28, 28]]),
        tokenizer,
        chat_template=template(),
        patch_size=7,
        vision_feature_select_strategy="default",
    )
    return t.LlavaNextVideoForConditionalGeneration(config), processor


def _video_llava(tokenizer: Any) -> tuple[Any, Any]:
    config = t.VideoLlavaConfig(
        vision_config=CLIP,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **TEXT},
        image_token_index=_token("<image>"),
        video_token_index=_token("<video>"),
    )
    shape = {"size": {"shortest_edge": 28}, "crop_size": SIZE}
    processor = t.VideoLlavaProcessor(
        t.VideoLlavaImageProcessor(**shape),
        t.VideoLlavaVideoProcessor(**shape),
        tokenizer,
        patch_size=7,
        chat_template=template(),
    )
    return t.VideoLlavaForConditionalGeneration(config), processor


def _instructblip_video(tokenizer: Any) -> tuple[Any, Any]:
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 7, "initializer_range": 0.5}
    qformer = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    qformer |= {"intermediate_size": 16, "encoder_hidden_size": 16, "max_position_embeddings": 8192}
    config = t.InstructBlipVideoConfig(
        vision_config=vision,
        qformer_config=qformer,
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **TEXT},
        num_query_tokens=3,
        video_token_index=_token("<video>"),
    )
    processor = t.InstructBlipVideoProcessor(
        t.InstructBlipVideoVideoProcessor(size=SIZE), tokenizer, tiny_tokenizer(), num_query_tokens=3
    )
    return t.InstructBlipVideoForConditionalGeneration(config), processor


TINY: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "smolvlm": _smolvlm,
    "qwen3-vl": _qwen("Qwen3VL"),
    "qwen2.5-vl": _qwen("Qwen2_5_VL"),
    "llava-next-video": _llava_next_video,
    "video-llava": _video_llava,
    "instructblip-video": _instructblip_video,
}
"""Builders of a model and its processor, by alias."""


def save_tiny(name: str, folder: Path) -> Path:
    """A tiny video LLM on disk."""
    torch.manual_seed(0)
    model, processor = TINY[name](tiny_tokenizer())
    only_words(model)
    model.generation_config.eos_token_id = 1
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_tiny_language_model(folder: Path) -> Path:
    """A causal language model alone, without a chat template."""
    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    model = t.LlamaForCausalLM(t.LlamaConfig(vocab_size=len(tokenizer), **TEXT))
    only_words(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
