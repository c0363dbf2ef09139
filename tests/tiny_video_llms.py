"""Tiny video LLMs of random weights, one of each class, saved as users get theirs, with their real processors.

Their random heads only ever say words, so that their answers are captions of a kind.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
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


def tiny_tokenizer(**named: str) -> Any:
    """Reads bytes; can write whole words. `named` are a family's own control tokens, by what its processor calls them.

    They follow the words, so that the others keep their numbers.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*SPECIAL, *letters, *("Ġ" + word for word in WORDS.split())]
    tokens = Tokenizer(models.BPE({word: i for i, word in enumerate(vocabulary)}, []))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokens.add_special_tokens([AddedToken(word, special=True) for word in dict.fromkeys([*SPECIAL, *named.values()])])
    return t.PreTrainedTokenizerFast(
        tokenizer_object=tokens, bos_token="<s>", eos_token="</s>", pad_token="<pad>", extra_special_tokens=named
    )


def only_words(model: Any) -> None:
    """Let the random head choose among words alone."""
    head = model.get_output_embeddings().weight
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        head.zero_()
        words = slice(len(SPECIAL) + 256, len(SPECIAL) + 256 + len(WORDS.split()))
        head[words] = torch.randn(head[words].shape, generator=generator)


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
        num_additional_image_tokens=1,
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


def _numbers(tokenizer: Any, **words: str) -> dict[str, int]:
    return {name: tokenizer.convert_tokens_to_ids(word) for name, word in words.items()}


SIGHT = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
EDGES = {"vision_start_token": "<|vision_start|>", "vision_end_token": "<|vision_end|>"}
SIGHT_IDS = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
EDGE_IDS = {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
QWEN3_5_TEXT = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
QWEN3_5_TEXT |= {"num_key_value_heads": 2, "head_dim": 16, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
QWEN3_5_TEXT |= {"linear_num_key_heads": 2, "linear_num_value_heads": 2, "bos_token_id": 0, "eos_token_id": 1}
QWEN3_5_TEXT |= {"pad_token_id": 2, "layer_types": ["linear_attention", "full_attention"]}
QWEN3_5_TEXT["rope_parameters"] = {
    "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5,
    "mrope_interleaved": True,
}  # fmt: skip
PATCHES = {"patch_size": 8, "temporal_patch_size": 2, "merge_size": 2}
PATCHES |= {"size": {"shortest_edge": 256, "longest_edge": 2048}}
AREA_MARKS = template("<|vision_start|><|image_pad|><|vision_end|>", "<|video_pad|>")


def _qwen3_5(_: Any) -> tuple[Any, Any]:
    tokenizer = tiny_tokenizer(**SIGHT, **EDGES)
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "patch_size": 8}
    vision |= {"out_hidden_size": 32, "num_position_embeddings": 16}
    config = t.Qwen3_5Config(
        vision_config=vision,
        text_config={"vocab_size": len(tokenizer), **QWEN3_5_TEXT},
        **_numbers(tokenizer, **SIGHT_IDS, **EDGE_IDS),
    )
    processor = t.Qwen3VLProcessor(
        t.Qwen2VLImageProcessor(**PATCHES), tokenizer, t.Qwen3VLVideoProcessor(**PATCHES), chat_template=AREA_MARKS
    )
    return t.Qwen3_5ForConditionalGeneration(config), processor


def _lfm3_vl(_: Any) -> tuple[Any, Any]:
    tokenizer = tiny_tokenizer(**SIGHT, **EDGES)
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    vision |= {"num_key_value_heads": 2, "patch_size": 8}
    text = {"vocab_size": len(tokenizer), **TEXT, "head_dim": 16, "layer_types": ["conv", "full_attention"]}
    config = t.Lfm3VlConfig(
        vision_config=vision,
        text_config={"model_type": "lfm3", **text},
        projector_hidden_size=32,
        tie_word_embeddings=False,
        **_numbers(tokenizer, **SIGHT_IDS, **EDGE_IDS),
    )
    processor = t.Lfm3VlProcessor(
        t.Qwen2VLImageProcessor(**PATCHES), tokenizer, t.Qwen3VLVideoProcessor(**PATCHES), chat_template=AREA_MARKS
    )
    return t.Lfm3VlForConditionalGeneration(config), processor


def _lfm2_vl(_: Any) -> tuple[Any, Any]:
    named = {"image_token": "<image>", "image_start_token": "<|image_start|>", "image_end_token": "<|image_end|>"}
    tokenizer = tiny_tokenizer(**named, image_thumbnail="<|img_thumbnail|>")
    text = {"vocab_size": len(tokenizer), **TEXT, "layer_types": ["conv", "full_attention"]}
    vision = {"model_type": "siglip2_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_patches": 16}
    vision |= {"num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}
    config = t.Lfm2VlConfig(
        vision_config=vision,
        text_config={"model_type": "lfm2", **text},
        projector_hidden_size=32,
        tie_word_embeddings=False,
        **_numbers(tokenizer, image_token_id="<image>"),
    )
    shape = {"encoder_patch_size": 8, "tile_size": 32, "min_image_tokens": 1, "max_image_tokens": 4}
    processor = t.Lfm2VlProcessor(
        t.Lfm2VlImageProcessor(**shape, size={"height": 32, "width": 32}), tokenizer, chat_template=template()
    )
    return t.Lfm2VlForConditionalGeneration(config), processor


def _gemma4(_: Any) -> tuple[Any, Any]:
    named = {"image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>", "audio_token": "<|audio|>"}
    tokenizer = tiny_tokenizer(**named, boa_token="<|audio>", eoa_token="<audio|>", video_token="<|video|>")
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"num_key_value_heads": 2, "head_dim": 8, "patch_size": 4, "position_embedding_size": 256}
    text = {"vocab_size": len(tokenizer), **TEXT, "head_dim": 16, "global_head_dim": 16}
    text |= {"vocab_size_per_layer_input": len(tokenizer), "hidden_size_per_layer_input": 8}
    text |= {"layer_types": ["sliding_attention", "full_attention"], "tie_word_embeddings": False}
    config = t.Gemma4Config(
        vision_config=vision,
        text_config=text,
        audio_config=None,
        tie_word_embeddings=False,
        **_numbers(tokenizer, image_token_id="<|image|>", video_token_id="<|video|>", audio_token_id="<|audio|>"),
        **_numbers(tokenizer, boi_token_id="<|image>", eoi_token_id="<image|>", boa_token_id="<|audio>"),
    )
    processor = t.Gemma4Processor(
        t.Gemma4AudioFeatureExtractor(),
        t.Gemma4ImageProcessor(patch_size=4, max_soft_tokens=70),
        tokenizer,
        t.Gemma4VideoProcessor(patch_size=4, max_soft_tokens=70),
        chat_template=template("<|image|>", "<|video|>"),
    )
    return t.Gemma4ForConditionalGeneration(config), processor


def _minicpm(family: str) -> Callable[[Any], tuple[Any, Any]]:
    def build(_: Any) -> tuple[Any, Any]:
        named = {**SIGHT, "image_start_token": "<image>", "image_end_token": "</image>"}
        named |= {"slice_start_token": "<slice>", "slice_end_token": "</slice>"}
        named |= {"image_id_start_token": "<image_id>", "image_id_end_token": "</image_id>"}
        tokenizer = tiny_tokenizer(**named)
        vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        vision |= {"image_size": 56, "patch_size": 7}
        numbers = _numbers(tokenizer, **SIGHT_IDS)
        if family == "MiniCPMV4_7":
            numbers |= _numbers(tokenizer, image_start_id="<image>", image_end_id="</image>", newline_id="Ċ")
            numbers |= _numbers(tokenizer, slice_start_id="<slice>", slice_end_id="</slice>")
        config = getattr(t, f"{family}Config")(
            vision_config=vision,
            text_config={"model_type": "qwen3_5_text", "vocab_size": len(tokenizer), **QWEN3_5_TEXT},
            insert_layer_id=0,
            image_size=56,
            **numbers,
        )
        shape = {"patch_size": 7, "scale_resolution": 56, "max_slice_nums": 1}
        processor = getattr(t, f"{family}Processor")(
            t.MiniCPMV4_6ImageProcessor(**shape),
            t.MiniCPMV4_6VideoProcessor(**shape),
            tokenizer,
            chat_template=template("<|image_pad|>", "<|video_pad|>"),
        )
        return getattr(t, f"{family}ForConditionalGeneration")(config), processor

    return build


def _video_llama_3(_: Any) -> tuple[Any, Any]:
    tokenizer = tiny_tokenizer(**SIGHT)
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = t.VideoLlama3Config(
        vision_config={**vision, "patch_size": 8},
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **TEXT},
        **_numbers(tokenizer, **SIGHT_IDS),
    )
    size = {"shortest_edge": 256, "longest_edge": 2048}
    processor = t.VideoLlama3Processor(
        t.VideoLlama3ImageProcessor(patch_size=8, size=size),
        tokenizer,
        t.VideoLlama3VideoProcessor(patch_size=8, size=size),
        chat_template=template("<|image_pad|>", "<|video_pad|>"),
    )
    return t.VideoLlama3ForConditionalGeneration(config), processor


def _internvl(_: Any) -> tuple[Any, Any]:
    named = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    tokenizer = tiny_tokenizer(**named, video_token="<video>")
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = t.InternVLConfig(
        vision_config={**vision, "image_size": [28, 28], "patch_size": [7, 7]},
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **TEXT, "tie_word_embeddings": False},
        image_seq_length=4,
        tie_word_embeddings=False,
        **_numbers(tokenizer, image_token_id="<IMG_CONTEXT>"),
    )
    processor = t.InternVLProcessor(
        t.GotOcr2ImageProcessor(size=SIZE),
        tokenizer,
        t.InternVLVideoProcessor(size=SIZE),
        image_seq_length=4,
        chat_template=template("<IMG_CONTEXT>", "<video>"),
    )
    return t.InternVLForConditionalGeneration(config), processor


def _molmo2(_: Any) -> tuple[Any, Any]:
    words = ["<im_patch>", "<im_col>", "<im_start>", "<low_res_im_start>", "<frame_start>", "<im_end>", "<frame_end>"]
    named = {f"extra_{number}": word for number, word in enumerate([*words, "<im_low>"])}
    tokenizer = tiny_tokenizer(image_token="<|image|>", video_token="<|video|>", **named)
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"num_key_value_heads": 2, "head_dim": 8}
    adapter = {**vision, "text_hidden_size": 32, "vision_feature_layer": [1, 0]}
    del adapter["num_hidden_layers"]
    text = {name: value for name, value in TEXT.items() if not name.endswith("token_id")}
    config = t.Molmo2Config(
        vision_config={**vision, "image_size": [28, 28], "patch_size": 7},
        adapter_config=adapter,
        text_config={**text, "vocab_size": len(tokenizer), "additional_vocab_size": 0, "head_dim": 16},
        **_numbers(tokenizer, image_start_token_id="<im_start>", low_res_image_start_token_id="<low_res_im_start>"),
        **_numbers(tokenizer, image_end_token_id="<im_end>", image_patch_id="<im_patch>"),
        **_numbers(tokenizer, frame_start_token_id="<frame_start>", frame_end_token_id="<frame_end>"),
    )
    processor = t.Molmo2Processor(
        t.Molmo2ImageProcessor(size=SIZE, patch_size=7, max_crops=1, overlap_margins=[1, 1]),
        t.Molmo2VideoProcessor(size=SIZE, patch_size=7, pooling_size=[2, 2]),
        tokenizer,
        chat_template=template("<|image|>", "<|video|>"),
    )
    return t.Molmo2ForConditionalGeneration(config), processor


TINY: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "smolvlm": _smolvlm,
    "qwen3-vl": _qwen("Qwen3VL"),
    "qwen2.5-vl": _qwen("Qwen2_5_VL"),
    "llava-next-video": _llava_next_video,
    "video-llava": _video_llava,
    "instructblip-video": _instructblip_video,
    "qwen3.5": _qwen3_5,
    "gemma4": _gemma4,
    "molmo2": _molmo2,
    "lfm2-vl": _lfm2_vl,
    "lfm3-vl": _lfm3_vl,
    "minicpm-v-4.6": _minicpm("MiniCPMV4_6"),
    "minicpm-v-4.7": _minicpm("MiniCPMV4_7"),
    "videollama3": _video_llama_3,
    "internvl3": _internvl,
}
"""Builders of a model and its processor, by alias."""


def save_tiny(name: str, folder: Path) -> Path:
    """A tiny video LLM on disk."""
    return Path(shutil.copytree(_made(name), folder, dirs_exist_ok=True))


@cache
def _made(name: str) -> Path:
    """Each model is built once, and copied for whoever wants it."""
    folder = Path(tempfile.mkdtemp(prefix="calvin-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
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
