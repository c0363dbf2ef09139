"""Short names of video LLMs on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "smolvlm2": "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        "smolvlm2-500m": "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        "smolvlm2-256m": "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        "qwen3-vl": "Qwen/Qwen3-VL-8B-Instruct",
        "qwen3-vl-2b": "Qwen/Qwen3-VL-2B-Instruct",
        "qwen3-vl-4b": "Qwen/Qwen3-VL-4B-Instruct",
        "qwen2.5-vl": "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2.5-vl-3b": "Qwen/Qwen2.5-VL-3B-Instruct",
        "llava-next-video": "llava-hf/LLaVA-NeXT-Video-7B-hf",
        "video-llava": "LanguageBind/Video-LLaVA-7B-hf",
        "instructblip-video": "Salesforce/instructblip-vicuna-7b",
    }
)
