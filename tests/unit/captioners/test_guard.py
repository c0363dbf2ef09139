from __future__ import annotations

import pytest

from calvin.captioners.guard import choose, cut_loop, is_whole, loop_start, same_words, strip_start


@pytest.mark.parametrize(
    "text",
    [
        "she waves and waves and waves and waves",
        "the man the man the man walks",
        "He opens the door, opens the door, then leaves.",
        "no no no",
    ],
)
def test_loops_are_seen(text: str) -> None:
    assert loop_start(text) is not None
    assert loop_start(cut_loop(text)) is None


@pytest.mark.parametrize(
    "text",
    ["Mara, in a red coat, hands Otto the lamp.", "He walks on and on.", "", "Step by step, he climbs the stairs."],
)
def test_plain_captions_are_no_loops(text: str) -> None:
    assert loop_start(text) is None
    assert cut_loop(text) == text


def test_the_loop_is_cut_where_it_repeats() -> None:
    assert cut_loop("Ann opens the door, opens the door.") == "Ann opens the door."


def test_the_next_candidate_is_taken_where_the_best_repeats_the_previous_caption() -> None:
    assert choose(["He waves.", "He bows."], "he waves") == 1
    assert choose(["He waves.", "He bows."], None) == 0
    assert choose(["a b c a b c", "He bows."], None) == 1
    assert choose(["", "He bows."], None) == 1


def test_where_no_candidate_is_fresh_a_sound_one_is_kept() -> None:
    assert choose(["no no no", "He waves."], "He waves.") == 1
    assert choose(["no no no"], "He waves.") == 0


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert same_words("He waves!", "he  waves")
    assert not same_words("He waves.", "She waves.")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (". In the cave, Mara nods.", "In the cave, Mara nods."),
        ("", ""),
        ("...", ""),
        ('"Run", says a sign.', '"Run", says a sign.'),
    ],
)
def test_a_stray_start_goes(said: str, kept: str) -> None:
    assert strip_start(said) == kept


@pytest.mark.parametrize("text", ["He sits.", "She says “no.”", "Who is there?", "He waits…"])
def test_a_sentence_is_whole(text: str) -> None:
    assert is_whole(text)


@pytest.mark.parametrize("text", ["", ".", "He sits", "He walks to the.", "A man in a red coat and.", "He waits,"])
def test_a_cut_sentence_is_not_whole(text: str) -> None:
    assert not is_whole(text)
