"""What an adapter did to the captions, and the warnings where it hurt."""

from __future__ import annotations

from calvin.captioners import CaptionAnswer
from calvin.studio.adapt.before_after import CaptionFacts, Effect


def test_where_an_adapter_hurts_there_is_a_warning() -> None:
    def facts(*texts: str, parsed: bool | None = None) -> CaptionFacts:
        answers = [CaptionAnswer(text, 0.0, parsed=parsed) for text in texts]
        return CaptionFacts.of(answers, lambda text: [w for w in text.split() if w[0].isupper()], [["Ann"]] * 2, True)

    before = facts("Ann waves to the man", "the man sits down there")
    worse = facts("Bob waves", "Bob waves", parsed=False)
    assert (before.distinct, before.words, before.wrong_names, before.right_names) == (1, 5, 0, 0.5)
    assert (worse.distinct, worse.wrong_names, worse.unparsed) == (0.5, 1, 1)
    effect = Effect("scenes", before, worse)
    assert [word for word in ("diverse", "shorter", "wrong people", "form") if word in " ".join(effect.warnings())] == [
        "diverse", "shorter", "wrong people", "form",
    ]  # fmt: skip
    assert (
        Effect("scenes", before, facts("Ann waves to a man", "Ann sits down over there", parsed=True)).warnings() == []
    )
    assert "form not kept" in "\n".join(effect.lines())
    assert effect.lines()[1].endswith(" after"), "each line is understood alone, as a screen reader says it"
