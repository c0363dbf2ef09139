"""From prompts and visuals to the model's inputs, and from token ids back to captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoProcessor, BatchFeature, ProcessorMixin

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.core.files import write_text
from calvin.core.prompts import Prompt, clean_line
from calvin.core.tokens import IGNORE_INDEX, TokenLayout
from calvin.model.configuration import CalvinConfig
from calvin.model.generating import check_vectors
from calvin.model.habits import chat_template as template_of
from calvin.model.habits import check_form, prompt_of, rows_of
from calvin.model.special_tokens import special_tokens
from calvin.model.vision import prepare_pixels

VISUAL_TOKEN = "<visual>"


class CalvinProcessor(ProcessorMixin):
    """Tokenizer and image processor of a CALVIN.

    Args:
        image_processor: the vision tower's; None for a model that works from stored features only.
        tokenizer: the language model's; the placeholder is added to it if it is missing.
        visual_token: the placeholder's text.
        num_query_tokens: placeholders per visual.
        max_frames: frames per visual at most.
        chat_template: how a chat becomes a prompt; None: visual, what was said before, what was said last.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        visual_token: str = VISUAL_TOKEN,
        num_query_tokens: int = 32,
        max_frames: int = 32,
        chat_template: str | None = None,
    ) -> None:
        self.visual_token, self.num_query_tokens, self.max_frames = visual_token, num_query_tokens, max_frames
        if image_processor is None:
            self.image_processor, self.tokenizer = None, tokenizer
        else:
            super().__init__(image_processor, tokenizer)
        self.chat_template = chat_template or template_of(visual_token)
        if visual_token not in tokenizer.get_vocab():
            tokenizer.add_special_tokens({"additional_special_tokens": [visual_token]})
        special_tokens(tokenizer)  # or a tokenizer without an end would be found out by the first batch

    @property
    def visual_token_id(self) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(self.visual_token))

    @property
    def pad_token_id(self) -> int:
        return special_tokens(self.tokenizer).pad

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "image_embeds", "pixel_values", "frame_mask", "labels"]

    def layout(self, max_length: int = 512) -> TokenLayout:
        """How sequences of this model are laid out, for training as for asking."""
        special = special_tokens(self.tokenizer)
        return TokenLayout(
            tokenizer=self.tokenizer,
            bos_token_id=special.bos,
            eos_token_id=special.eos,
            visual_token_id=self.visual_token_id,
            num_query_tokens=self.num_query_tokens,
            max_length=max_length,
        )

    def __call__(
        self,
        prompts: Prompt | Sequence[Prompt] | None = None,
        images: Any = None,
        frames: Sequence[Any] | None = None,
        image_embeds: Sequence[Any] | None = None,
        captions: Sequence[str] | None = None,
        max_length: int = 512,
        *,
        text: str | Sequence[str] | None = None,
        videos: Any = None,
        audio: Any = None,
        padding: bool | str = True,
        padding_side: str | None = None,
        return_tensors: str | None = "pt",
        add_special_tokens: bool = True,
    ) -> BatchFeature:
        """Inputs for `generate` (left-padded), or with captions for `forward` (right-padded, with labels).

        Args:
            prompts: one per row, or
            text: one per row, as users of transformers give it: a question, or behind the placeholder (as the chat
                template writes it) the whole prompt.
            images: one image per row (uint8 RGB [H, W, 3], PIL or a file), or
            frames: one sequence of images per row, or
            videos: the same, or a file; of more frames than the model takes, as many are taken, evenly spread; or
            image_embeds: one array of frame vectors [T, D] per row. None in a row means text alone.
            captions: what to learn, one per row.
            max_length: tokens per row at most; the oldest context is left out if it does not fit.
            padding, padding_side, return_tensors, add_special_tokens: rows are always padded as said above, begun with
                the start token and given as tensors; anything else is refused.

        Raises:
            UsageError: more than one kind of visual, counts that differ, or a form that this processor does not make.
            FeatureError: more frames than the model takes, or vectors with NaN or infinity.
            DataError: a prompt that does not fit, or a placeholder that stands elsewhere than before the prompt.
        """
        check_form(padding, padding_side, return_tensors, "right" if captions is not None else "left")
        if audio is not None:
            raise UsageError("A CALVIN hears nothing: leave audio out.")
        if (prompts is None) == (text is None):
            raise UsageError("Give text or prompts, and not both.")
        kinds = {"images": images, "frames": frames, "videos": videos, "image_embeds": image_embeds}
        given = [(kind, value) for kind, value in kinds.items() if value is not None]
        if len(given) > 1:
            raise UsageError("Give images, frames, videos or image_embeds, not several of them.")
        rows: list[Any] = [prompts] if isinstance(prompts, Prompt) else list(prompts or ())
        if text is not None:
            rows = [text] if isinstance(text, str) else list(text)
        visuals: list[Any] = rows_of(*given[0], len(rows), self.max_frames) if given else [None] * len(rows)
        if len(visuals) != len(rows) or (captions is not None and len(captions) != len(rows)):
            counts = f"{len(visuals)} visuals" if len(visuals) != len(rows) else f"{len(captions or ())} captions"
            raise UsageError(f"{counts} for {len(rows)} prompts: give one for each.")
        if text is not None:
            shown = [visual is not None for visual in visuals]
            rows = [prompt_of(row, seen, self.visual_token) for row, seen in zip(rows, shown, strict=True)]
        layout = self.layout(max_length)
        wanted: Sequence[str | None] = captions if captions is not None else [None] * len(rows)
        encoded = [
            layout.encode(prompt, caption, visual=visual is not None)
            for prompt, caption, visual in zip(rows, wanted, visuals, strict=True)
        ]
        left = captions is None
        data = {
            "input_ids": pad_rows([item.input_ids for item in encoded], self.pad_token_id, left),
            "attention_mask": pad_rows([[1] * len(item.input_ids) for item in encoded], 0, left),
        }
        if captions is not None:
            data["labels"] = pad_rows([item.labels for item in encoded], IGNORE_INDEX, left)
        if image_embeds is not None:
            data |= self._stack("image_embeds", [None if row is None else _vectors(row) for row in visuals])
        elif given:
            single = images is not None
            data |= self._stack("pixel_values", [self._pixels([row] if single else row) for row in visuals])
        return BatchFeature(data)

    def _pixels(self, images: Sequence[Any] | None) -> Tensor | None:
        """One row's images as [T, C, H, W]."""
        if images is None or (len(images) == 1 and images[0] is None):
            return None
        if self.image_processor is None:
            raise UsageError("This model has no vision tower: give image_embeds instead of images.")
        if len(images) == 0:
            raise DataError("A visual needs at least one frame.")
        return torch.cat([prepare_pixels(self.image_processor, np.array(_rgb(image))[None]) for image in images])

    def _stack(self, name: str, rows: list[Tensor | None]) -> dict[str, Tensor]:
        """Rows [T, ...] padded to [B, F, ...], with `frame_mask` [B, F]; nothing where no row has a visual."""
        real = [row for row in rows if row is not None]
        if not real:
            return {}
        longest = max(len(row) for row in real)
        if longest > self.max_frames:
            raise FeatureError(
                f"A visual of {longest} frames does not fit a model for {self.max_frames}: "
                "sample its frames evenly first."
            )
        filled = [real[0][:0] if row is None else row for row in rows]
        mask = [torch.ones(len(row), dtype=torch.long) for row in filled]
        return {name: pad_sequence(filled, batch_first=True), "frame_mask": pad_sequence(mask, batch_first=True)}

    def captions(self, sequences: Tensor | Sequence[Sequence[int]]) -> list[str]:
        """Token ids [B, L] to captions, without special tokens and with white space folded."""
        texts = self.tokenizer.batch_decode(sequences, skip_special_tokens=True)
        return [clean_line(text) for text in texts]

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs: Any) -> Any:
        if self.image_processor is not None:
            return super().save_pretrained(str(save_directory), push_to_hub=push_to_hub, **kwargs)
        folder = Path(save_directory)
        self.tokenizer.save_pretrained(str(folder))
        self.to_json_file(folder / "processor_config.json")
        if self.chat_template != template_of(self.visual_token):
            write_text(folder / "chat_template.jinja", str(self.chat_template))
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", folder.name), **kwargs)
        return [str(folder / "processor_config.json")]

    @classmethod
    def _get_arguments_from_pretrained(
        cls, pretrained_model_name_or_path: str, processor_dict: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Any]:
        if (processor_dict or {}).get("image_processor") is not None:
            return super()._get_arguments_from_pretrained(pretrained_model_name_or_path, processor_dict, **kwargs)
        return [None, cls._load_tokenizer_from_pretrained("tokenizer", pretrained_model_name_or_path, **kwargs)]


def pad_rows(rows: Sequence[Sequence[int]], value: int, left: bool) -> Tensor:
    """Rows of ids as one tensor [B, L]."""
    # On the left to generate: the next token of every row then stands at the same place.
    side = "left" if left else "right"
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value, padding_side=side)


def _vectors(row: Any) -> Tensor:
    vectors = torch.as_tensor(np.asarray(row, dtype=np.float32))
    if vectors.ndim != 2 or not len(vectors):
        raise DataError(
            f"Frame vectors of a visual must be [frames, width] with at least one frame, not {list(vectors.shape)}."
        )
    check_vectors(vectors[None])
    return vectors


def _rgb(image: Any) -> Any:
    return image.convert("RGB") if hasattr(image, "convert") else image


AutoProcessor.register(CalvinConfig, CalvinProcessor)
