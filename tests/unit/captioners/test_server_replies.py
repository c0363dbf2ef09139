"""What model servers say back, in the words of many of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from calvin.captioners.server_replies import (
    CUT,
    REFUSES,
    THINKING,
    Terms,
    is_blind,
    is_loading,
    is_too_large,
    lacks_memory,
    other_terms,
    read_reply,
    trouble_of,
)

WORDS = "A man walks."


def choice(content: Any, finish: str | None = "stop", **message: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": content, **message}, "finish_reason": finish}]}).encode()


def event(content: str | None, finish: str | None = None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": content}, "finish_reason": finish}]}).encode()


STREAM = event("A man ") + b"\n\n" + event("walks.") + b"\n\n"


@pytest.mark.parametrize(
    "content",
    [
        choice(WORDS), choice(WORDS, None), choice(WORDS, "eos_token"), choice([WORDS]),
        choice({"type": "text", "text": WORDS}), choice([{"type": "output_text", "text": WORDS}]),
        choice([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": WORDS}]),
        STREAM + event(None, "stop") + b"\n\ndata: [DONE]\n\n",
        b": PROCESSING\n\n: PROCESSING\n\n" + choice(WORDS),
        b"\n\n\n" + choice(WORDS),
        b"\xef\xbb\xbf" + choice(WORDS),
        b"[" + choice(WORDS) + b"]",
        json.dumps({"choices": [{"text": WORDS, "finish_reason": "stop"}]}).encode(),
        json.dumps({"message": {"role": "assistant", "content": WORDS}, "done": True}).encode(),
        choice("", reasoning_content=f"<think>Hm.</think>{WORDS}"),
    ],
)  # fmt: skip
def test_words_are_found_in_every_form_that_servers_give_them(content: bytes) -> None:
    reply = read_reply(content)
    assert reply is not None
    assert (reply.text.strip(), trouble_of(reply)) == (WORDS, "")


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (choice("A man walks acro", "length"), CUT),
        (choice("A man walks acro", "truncated"), CUT),
        (choice("A man walks acro", "model_context_window_exceeded"), CUT),
        (choice("", "length", reasoning_details=[{"text": "Hm"}]), THINKING),
        (choice(None, "SAFETY"), REFUSES),
        (choice("", "sensitive"), REFUSES),
        (choice(None, "BLOCKLIST"), REFUSES),
        (choice([{"type": "refusal", "refusal": "No."}]), REFUSES),
    ],
)
def test_why_an_answer_has_no_words_is_known(content: bytes, trouble: str) -> None:
    reply = read_reply(content)
    assert reply is not None
    assert trouble_of(reply) == trouble


@pytest.mark.parametrize(
    "content",
    [
        choice("A man wal", "error"), choice("", "abort"), choice("A man walks", "network_error"), choice(7),
        STREAM, STREAM + b"data: {", b"data: [DONE]", b'{"error": {"message": "overloaded"}}',
        b'{"choices": ["A man."]}', b'{"choices": [null]}', b"[]", b"7", b"null", b"\xff\xfe", b"",
    ],
)  # fmt: skip
def test_what_broke_off_or_is_no_completion_is_none(content: bytes) -> None:
    assert read_reply(content) is None


def test_a_tool_that_nobody_offered_still_holds_the_words() -> None:
    call = {"function": {"name": "describe", "arguments": json.dumps({"caption": WORDS})}}
    reply = read_reply(choice(None, "tool_calls", tool_calls=[call]))
    assert reply is not None
    assert trouble_of(reply) == ""


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("Exceeded the maximum number of images: 4", 4), ("This model supports a maximum of 5 images", 5),
        ("Too many images in request: 9 > 8", 8), ("maximum image count is 10, got 16", 10),
        ("The number of images cannot exceed 4", 4), ("too many images and documents: 21 + 0 > 20", 20),
        ("num_images 8 > limit 4", 4), ("Only one image is allowed per message", 1),
        ("You can only upload 3 images at a time", 3), ("Request contains 8 images, but the model accepts 2", 2),
        ("At most 1 image(s) may be provided in one prompt.", 1), ("images: must be at most 4 items", 4),
        ("multi-image input is not supported", 1), ("Model only supports single image input", 1),
        ("List should have at most 5 items after validation, not 8 (image_url)", 5),
    ],
)  # fmt: skip
def test_how_many_pictures_a_server_takes(words: str, most: int) -> None:
    found = other_terms(Terms(stills=32), words, 32)
    assert found == Terms(stills=most)
    assert not is_blind(words)


@pytest.mark.parametrize(
    "words",
    [
        "the request exceeds the available context size (4096 tokens), try increasing it",
        "The decoder prompt (length 7302) is longer than the maximum model length of 4096",
        "Trying to keep the first 5032 tokens. However, the model is loaded with context length of only 4096 tokens",
        "inputs tokens + max_new_tokens must be <= 4096. Given: 5000 inputs tokens",
        "Input length 9000 exceeds maximum allowed 8192", "Please reduce the length of the messages.",
        "prompt token count of 9000 exceeds the limit of 8192", "KV cache is full", "Request body too large",
        "input length and `max_tokens` exceed context limit: 9000 + 128 > 8192", "CUDA out of memory",
    ],
)  # fmt: skip
def test_a_question_that_is_too_large_is_asked_with_half_the_stills(words: str) -> None:
    assert other_terms(Terms(stills=8), words, 8) == Terms(stills=4)
    assert not is_blind(words)


@pytest.mark.parametrize(
    "words",
    [
        "image input is not supported - hint: you may need to provide the mmproj",
        "Invalid content type. image_url is only supported by certain models.", "tiny is not a multimodal model",
        "At most 0 image(s) may be provided in one prompt.", "This model does not support image inputs",
        "No endpoints found that support image input", "'image_url' is not supported", "The model is not a VLM",
        "unsupported content type: image_url", "messages[0].content must be a string",
        "messages.0.content: Input should be a valid string", "this model does not accept images",
        "Vision add-on is not loaded, but images were provided for processing", "multimodal is not enabled",
        "it doesn't support image modality", "Unexpected message content: expected string, got array",
        "model 'm' does not have vision capabilities", "Input modality image not supported",
        "failed to process inputs: this model is missing data required for image input",
    ],
)  # fmt: skip
def test_a_model_that_takes_no_pictures_is_known(words: str) -> None:
    assert is_blind(words)


@pytest.mark.parametrize("words", ["A key is missing", "rate limit", "number of image tokens 8 does not match", ""])
def test_other_words_say_nothing_of_pictures(words: str) -> None:
    assert not is_blind(words)
    assert other_terms(Terms(), words, 8) is None


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("Unrecognized request argument supplied: max_tokens", Terms("max_completion_tokens")),
        ("Extra inputs are not permitted: max_tokens", Terms("max_completion_tokens")),
        ("`temperature` has to be a strictly positive float", Terms(temperature=False)),
    ],
)
def test_parameters_that_a_server_does_not_take(words: str, kept: Terms) -> None:
    assert other_terms(Terms(), words, 8) == kept


def test_a_limit_that_is_too_large_is_no_parameter_that_is_unknown() -> None:
    for words in ("Invalid 'max_tokens': integer above maximum value", "max_tokens must be less than or equal to 8192"):
        assert is_too_large(words)
        assert other_terms(Terms(), words, 8) is None


def test_loading_and_want_of_memory_are_told_apart() -> None:
    for words in ("Loading model", "Model org/x is currently loading", "Server is starting up", "not ready yet"):
        assert is_loading(words, surely=True)
        assert not lacks_memory(words)
    for words in (
        "model requires more system memory (9.6 GiB) than is available (7.2 GiB)",
        "model failed to load, this may be due to resource limitations",
        "failed to allocate buffer",
    ):
        assert lacks_memory(words)
        assert not is_loading(words, surely=True)
    assert not is_loading("No models loaded. Please load a model", surely=True)


def test_a_number_of_pictures_is_no_size_of_theirs() -> None:
    words = "The number of images exceeds the limit of 4 images"
    assert other_terms(Terms(stills=12), words, 8, longest=768) == Terms(stills=4)
    assert other_terms(Terms(stills=12), "Too many images in the request", 8, longest=768) == Terms(stills=4)
    assert other_terms(Terms(stills=12), "image dimensions exceed 500 pixels", 8, 768) == Terms(stills=12, size=512)
    assert other_terms(Terms(stills=12, size=224), "Image is too large", 8, 224) == Terms(stills=4, size=224)
