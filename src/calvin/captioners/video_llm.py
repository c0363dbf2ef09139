"""Off-the-shelf video LLMs in this process: whatever AutoModelForMultimodalLM loads and has a chat template.

They get the stills of the project's one decode pass with their times, never the film. InstructBLIP-Video, which knows
no chat, is asked with the words alone and always sees four frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMultimodalLM, InstructBlipVideoForConditionalGeneration
from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES

from calvin.captioners.answers import to_answer
from calvin.captioners.at_hand import parameters_of
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.hub import ALIASES, fingerprint_of, local_or_fetched
from calvin.captioners.machine import gigabytes, this_machine
from calvin.captioners.messages import (
    MAX_NEW_TOKENS,
    Message,
    Shown,
    build_message,
    fingerprint,
    rgb,
    shown_stills,
    video_metadata,
)
from calvin.captioners.processors import BLIP, load_processor, sees_videos, sight
from calvin.captioners.speaking import device, prepare_tokenizer, say
from calvin.captioners.surroundings import BESIDE
from calvin.captioners.two_stages import DENSE_TOKENS, Descriptions, dense_message, described, writing_message
from calvin.core.errors import CheckpointError, UsageError, first_line
from calvin.core.types import FRAME_SIZE, LARGE_SIZE, Frame
from calvin.model.loading import load_config, load_strict, quiet

FRAMES = 16
"""Stills per scene where neither the model nor the user says otherwise."""
OWN_FRAMES = {"instructblip": 4, "instructblipvideo": 4, "video_llava": 8}
"""Stills per scene that a family of models was trained on."""
FEWEST = 2
"""Processors that merge frames in pairs refuse a single one; it is shown twice."""
BATCH = 4
OTHERS = "`calvin models` lists those here that can"


class VideoLlm:
    """A video LLM of transformers with its processor.

    Args:
        frames: the most stills per scene; InstructBLIP-Video always takes four.
        two_stages: whether it is asked for a description first, and then for a line made of that.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        name: str,
        weights: str = "",
        frames: int | None = None,
        four_bit: bool = False,
        two_stages: bool = False,
    ) -> None:
        self.model = model
        self.processor = processor
        self.name = name
        self._blip = model.config.model_type in BLIP
        own = OWN_FRAMES.get(model.config.model_type, FRAMES)
        self.frames = own if self._blip or frames is None else frames
        self._sees_video = sees_videos(processor)
        self._four_bit, self._two_stages, self._descriptions = four_bit, two_stages, Descriptions()
        # What scales pictures to 224 pixels gains nothing from larger ones than every project has.
        self.still_size = size if (size := sight(processor)) > 2 * FRAME_SIZE else None
        prepare_tokenizer(processor.tokenizer)
        # A model that could see a video may say something else when it is shown pictures.
        shown = {} if self._sees_video or not hasattr(processor, "video_processor") else {"pictures": True}
        shown |= {"two_stages": True} if two_stages else {}
        self._fingerprint = fingerprint(weights or name, frames=self.frames, four_bit=four_bit, **shown)

    @property
    def info(self) -> CaptionerInfo:
        details = {"frames": str(self.frames), "precision": "4 bit" if self._four_bit else str(self.model.dtype)[6:]}
        details |= {"stages": "2"} if self._two_stages else {}
        return CaptionerInfo(self.name, self._fingerprint, details=details)

    reads_looks = True

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"frames"})

    def caption(self, requests: Sequence[CaptionRequest], batch: int = BATCH) -> list[CaptionAnswer]:
        """One answer per request, cleaned. Scenes with as many stills go through the model together.

        Raises:
            DataError: a scene without stills.
        """
        if not self._two_stages:
            messages = [build_message(one, self._shown(one), apart=not self._sees_video) for one in requests]
            return [to_answer(*said) for said in self._say(messages, batch)]
        new = [one for one in requests if self._descriptions.of(one) is None]
        asked = [dense_message(one, self._shown(one), apart=not self._sees_video) for one in new]
        for request, (text, _) in zip(new, self._say(asked, batch, DENSE_TOKENS), strict=True):
            self._descriptions.keep(request, described(text))
        found = [self._descriptions.of(one) for one in requests]
        told = [(one, text) for one, text in zip(requests, found, strict=True) if text]
        messages = [writing_message(one, text) for one, text in told]
        said = iter(self._say(messages, batch))
        nothing = CaptionAnswer("", 0.0, ("",), trouble="it described nothing in the first stage")
        return [to_answer(*next(said)) if text else nothing for text in found]

    def _say(
        self, messages: Sequence[Message], batch: int, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> list[tuple[str, float]]:
        """What the model says to each message; those with as many stills go through it together."""
        order = sorted(range(len(messages)), key=lambda index: len(messages[index].frames))
        answers: dict[int, tuple[str, float]] = {}
        for _, run in groupby(order, key=lambda index: len(messages[index].frames)):
            group = list(run)
            for part in (group[start : start + batch] for start in range(0, len(group), batch)):
                inputs = self._inputs([messages[index] for index in part]).to(self.model.device)
                inputs = {key: self._cast(value) for key, value in inputs.items()}
                with quiet():  # hints at faster kernels
                    said = say(self.model, self.processor.tokenizer, inputs, max_new_tokens)
                answers |= dict(zip(part, said, strict=True))
        return [answers[index] for index in range(len(messages))]

    def _shown(self, request: CaptionRequest) -> Shown:
        """The stills to look at; too few of the scene are shown longer, in their order."""
        further = 0 if self._blip else 2 * BESIDE
        found = shown_stills(request, self.frames, further, self.still_size or LARGE_SIZE)
        least = self.frames if self._blip else FEWEST
        few = found.current
        return found if len(few) >= least else replace(found, current=_longer(few, least))

    def _cast(self, value: Any) -> Any:
        return value.to(self.model.dtype) if torch.is_tensor(value) and value.is_floating_point() else value

    def _inputs(self, messages: Sequence[Message]) -> Any:
        with quiet():
            if self._blip:
                videos = [[rgb(frame) for frame in message.frames] for message in messages]
                texts = [message.text for message in messages]
                return self.processor(images=videos, text=texts, padding=True, return_tensors="pt")
            options: dict[str, Any] = {"padding": True}
            if self._sees_video and messages[0].frames:
                metadata = [[video_metadata(message.frames)] for message in messages]
                options |= {"do_sample_frames": False, "video_metadata": metadata}
            return self.processor.apply_chat_template(
                [[message.to_hf(self._sees_video)] for message in messages],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs=options,
                enable_thinking=False,  # for templates that ask: an answer is too short to think first
            )


def _longer(frames: Sequence[Frame], count: int) -> tuple[Frame, ...]:
    return tuple(frames[index * len(frames) // count] for index in range(count))


def open_video_llm(model: str | None, options: OpenOptions) -> VideoLlm:
    """A video LLM by alias, folder or hub id.

    Raises:
        CheckpointError: there is no such model, it is not whole, or it is not a model that this can ask.
        UsageError: no name, nobody agreed to fetch it, or four bits without bitsandbytes.
        MissingExtraError: a package that its processor needs is not installed.
    """
    if model is None:
        raise UsageError(f"Which video LLM: hf:FOLDER, hf:HUB-ID, or one of {', '.join(ALIASES)}.")
    if options.four_bit and find_spec("bitsandbytes") is None:
        raise UsageError("Loading in four bits takes bitsandbytes: run `pip install bitsandbytes`.")
    source = local_or_fetched(model if Path(model).exists() else ALIASES.get(model, model), options.agree)
    known = f"one that looks and writes: {OTHERS}"
    config = load_config(source, MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES, known)
    blip = config.model_type in BLIP
    if blip and options.two_stages:
        raise UsageError(
            f"{model} always looks at pictures, so it cannot write from a description: leave out --two-stage."
        )
    processor = load_processor(source, config)
    if getattr(processor, "image_processor", None) is None and not sees_videos(processor):
        raise CheckpointError(f"{model} takes no pictures, so it cannot describe a film: {OTHERS}.")
    if not blip and not processor.chat_template:
        raise CheckpointError(f"{model} has no chat template, so it cannot be asked: {OTHERS}.")
    _check_memory(model, source, options.four_bit)
    kind: Any = InstructBlipVideoForConditionalGeneration if blip else AutoModelForMultimodalLM
    try:
        loaded = load_strict(kind, source, **_how(options))
    except ImportError as error:
        why = next((line for line in str(error).splitlines() if "requires" in line), first_line(error))
        raise UsageError(f"{model} cannot be loaded here: {why}.") from error
    if blip:
        _complete_blip(loaded, processor)
    weights = source.name if source.parent.name == "snapshots" else fingerprint_of(source)
    return VideoLlm(loaded, processor, model, weights, options.frames, options.four_bit, options.two_stages)


def _check_memory(name: str, source: Path, four_bit: bool) -> None:
    """
    Raises:
        UsageError: this machine has not the memory for a model, which would end the command or the machine.
    """
    parameters = parameters_of(source)
    machine = this_machine()
    needed = machine.needed(parameters, four_bit) if parameters else 0
    if not machine.holds(needed):
        raise UsageError(
            f"{name} needs {gigabytes(needed)} of memory, and {gigabytes(machine.free + machine.gpu)} are free here: "
            f"close other programs, take a smaller model such as smolvlm2-500m, or ask a server that holds it."
        )


def _how(options: OpenOptions) -> dict[str, Any]:
    """Loading: half precision on a GPU, spread over what there is; full on a CPU; four bits where asked for."""
    gpu = device() == "cuda"
    how: dict[str, Any] = {"dtype": torch.bfloat16 if gpu else torch.float32}
    if options.four_bit:
        from transformers import BitsAndBytesConfig

        how["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=how["dtype"]
        )
    return how | ({"device_map": "auto"} if gpu or options.four_bit else {})


def _complete_blip(model: Any, processor: Any) -> None:
    """Checkpoints saved before InstructBLIP knew videos name neither the queries nor the token of a frame."""
    processor.num_query_tokens = processor.num_query_tokens or model.config.num_query_tokens
    if model.config.video_token_index is None:
        tokens = processor.tokenizer
        model.config.video_token_index = tokens.convert_tokens_to_ids(str(processor.video_token))
        if len(tokens) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(tokens))
