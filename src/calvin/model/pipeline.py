"""`pipeline("video-text-to-text", model=FOLDER)`: a task that model cards name and transformers has no pipeline for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import AutoModelForImageTextToText, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from calvin.core.errors import UsageError
from calvin.core.prompts import EVALUATION_QUESTION

TASK = "video-text-to-text"
_VISUALS = ("videos", "images", "image_embeds")


class CaptionPipeline(Pipeline):
    """From videos, images or frame vectors to captions; what else is given is for `generate`."""

    _load_processor = True
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = False
    _pipeline_calls_generate = True

    def __call__(self, videos: Any = None, text: Any = None, **options: Any) -> Any:
        """A list of `{"generated_text": ...}` for one visual, a list of such lists for several.

        Args:
            videos: one, or a list: frames [T, H, W, 3], a list of images, or a file. Or one chat.
            text: the question, or one for each; by default the one of the paper's evaluation.
            options: `images` or `image_embeds` instead of videos, and options of `generate`.

        Raises:
            UsageError: several kinds of visual, or counts that differ.
        """
        chat = next((given for given in (videos, text) if _is_chat(given)), None)
        if chat is not None:
            return super().__call__({"chat": chat}, **options)
        kinds = {"videos": videos, **{name: options.pop(name, None) for name in _VISUALS[1:]}}
        given = [(kind, value) for kind, value in kinds.items() if value is not None]
        if len(given) > 1:
            raise UsageError("Give videos, images or image_embeds, not several of them.")
        [(kind, value)] = given or [("text", None)]
        several = isinstance(value, (list, tuple)) and not (kind == "videos" and _is_stills(value))
        if not several:
            return super().__call__(_item(kind, value, text), **options)
        texts = [text] * len(value) if text is None or isinstance(text, str) else list(text)
        if len(texts) != len(value):
            raise UsageError(f"{len(texts)} texts for {len(value)} {kind}: give one for each, or one for all.")
        return super().__call__([_item(kind, *pair) for pair in zip(value, texts, strict=True)], **options)

    def _sanitize_parameters(
        self, generate_kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        asked = {**(generate_kwargs or {}), **options}
        return {}, ({"generate_kwargs": asked} if asked else {}), {}

    def preprocess(self, input_: Any, **parameters: Any) -> Any:
        if "chat" in input_:
            return self.processor.apply_chat_template(input_["chat"], tokenize=True, return_dict=True)
        visual = {name: [input_[name]] for name in _VISUALS if input_.get(name) is not None}
        return self.processor(text=[input_["text"]], **visual)

    def _forward(self, input_tensors: Any, generate_kwargs: Mapping[str, Any] | None = None) -> Any:
        return {"sequences": self.model.generate(**input_tensors, **(generate_kwargs or {}))}

    def postprocess(self, model_outputs: Any, **parameters: Any) -> list[dict[str, str]]:
        return [{"generated_text": caption} for caption in self.processor.captions(model_outputs["sequences"])]


def _item(kind: str, value: Any, text: str | None) -> dict[str, Any]:
    return {kind: value, "text": text or EVALUATION_QUESTION}


def _is_chat(given: Any) -> bool:
    return isinstance(given, (list, tuple)) and bool(given) and isinstance(given[0], dict) and "role" in given[0]


def _is_stills(value: Any) -> bool:
    """Whether a list is the stills of one video, not several videos."""
    return bool(value) and (hasattr(value[0], "convert") or getattr(value[0], "ndim", 0) == 3)


if TASK not in PIPELINE_REGISTRY.supported_tasks:
    PIPELINE_REGISTRY.register_pipeline(TASK, pipeline_class=CaptionPipeline, pt_model=AutoModelForImageTextToText)
