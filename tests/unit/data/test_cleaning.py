from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.data import (
    DropReport,
    KeywordCredits,
    ReadResult,
    Sample,
    is_coordinate_turn,
    remove_credits,
    scrub_captions,
    scrub_numbers,
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Waves at sunset, 4k 1920x1080 25 fps", "Waves at sunset"),
        ("Moscow, Russia - May 12, 2016: people walk on red square.", "Moscow, Russia: people walk on red square."),
        ("New York - circa 2016: traffic (4K, UHD) in 1080p.", "New York: traffic (UHD)."),
        ("Bangkok, Thailand-may 12,2017:tourists visit", "Bangkok, Thailand:tourists visit"),
        ("Time lapse, 24 Dec 2015, London", "Time lapse, London"),
        ("Shot on 2016-05-12 at 10:30 am. Girl runs", "Shot. Girl runs"),
        ("3,840 x 2,160 px video of bees", "video of bees"),
        ("girl,4k,sunset", "girl,sunset"),
        ("A 3d animation of 2 women walking in 2018", "A animation of women walking"),
        ("boeing 747-400 lands on runway 27l", "boeing lands on runway"),
        ("a (2) cat [4k] sleeps", "a cat sleeps"),
        ("Hd 1080: sea; 50% off!", "Hd: sea; off!"),
        ("May the force be with you", "May the force be with you"),
        ("one of two dogs in march", "one of two dogs in march"),
        ("\u0661\u0662 birds", "birds"),
        ("10-bit footage of bees", "footage of bees"),
        ("A 10-year-old boy in a 24-hour diner", "A boy in a diner"),
        ("Graphics, 8-bit, of a 2-lane road", "Graphics, of a road"),
        ("4k", ""),
        ("1920x1080, 25 fps.", ""),
    ],
)
def test_numbers_dates_and_resolutions_go(before: str, after: str) -> None:
    assert scrub_numbers(before) == after


PIECES = "a dog 4k 1920x1080 May 12 , . : ( ) - in 2016 25 fps the $5 50% covid-19 [ ] ; 1.5 x at 3rd of UHD"
WORDS = st.sampled_from(re.split(" ", PIECES))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=10).map(" ".join)))
def test_no_digit_is_left_and_doing_it_twice_changes_nothing(text: str) -> None:
    once = scrub_numbers(text)
    assert not re.search(r"\d", once)
    assert scrub_numbers(once) == once


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=40).filter(lambda text: not re.search(r"\d", text)))
def test_text_without_digits_is_unchanged(text: str) -> None:
    assert scrub_numbers(text) == text


def test_captions_left_empty_are_dropped_and_counted() -> None:
    samples = [
        Sample("1", "webvid", "a", "video", "Waves, 4k", references=("Waves, 4k", "1080p")),
        Sample("2", "webvid", "b", "video", "1080p"),
        Sample("3", "webvid", "c", "video", "A cat."),
    ]
    before = DropReport(read=3)
    result = scrub_captions(ReadResult(samples, before))
    assert [sample.caption for sample in result.samples] == ["Waves", "A cat."]
    assert result.samples[0].references == ("Waves",)
    assert result.report.dropped == {"nothing but numbers in the caption": 1}
    assert result.report.repaired == {"numbers scrubbed": 1}
    assert result.report.read == 3
    assert not before.dropped  # the reader's own account stays as it was


@pytest.mark.parametrize(
    ("question", "answer", "coordinate"),
    [
        (
            "Please provide the bounding box coordinate of the region this sentence describes: a hat.",
            "[0.06,0.7,0.27,0.79]",
            True,
        ),
        ("Please provide a short description for this region: [0.06,0.7,0.27,0.79].", "a red hat", True),
        ("Where is it?", "It is at [0.1, .25, 1, 0.5].", True),
        ("What is on the list?", "[1, 2, 3]", False),
        ("Where is the box?", "On the table.", False),
    ],
)
def test_coordinate_turns(question: str, answer: str, coordinate: bool) -> None:
    assert is_coordinate_turn(question, answer) is coordinate


def scene(caption: str, minute: float, movie: str | None = "film") -> Sample:
    span = Span.from_seconds(minute * 60, minute * 60 + 2)
    return Sample(f"{minute}", "mad_csv", movie or "clip", "video", caption, span, movie=movie)


@pytest.mark.parametrize(
    ("caption", "minute", "credit"),
    [
        ("The closing credits roll.", 50, True),
        ("Opening titles appear over a city.", 50, True),
        ("Directed by Ann Other.", 50, True),
        ("A white logo turns on black.", 1, True),
        ("A title: The Long Road.", 99, True),
        ("He paints the firm's logo on a truck.", 50, False),
        ("She hands over a credit card.", 1, False),
        ("She reads the title of the book.", 50, False),
        ("He opens the gate.", 1, False),
        ("A title appears: three weeks earlier.", 1, False),
        ("The title appears: The Long Road.", 1, True),
        ("On the grill is a logo, D-M-C.", 1, False),
        ("The logo on his jacket is half torn off.", 99, False),
        ("A logo of a lighthouse glows on a black background.", 1, True),
        ("Costume designer, Lu Wen.", 99, True),
        ("Mara Quill as Inspector Dunne.", 99, True),
        ("Ada Holt, Finn Beck, Sol Reyes.", 1, True),
        ("Recorded at Stone Street Studios.", 99, True),
        ("The producers wish to thank the people of Skerry Bay.", 99, True),
        ("Any resemblance to actual persons is coincidental.", 50, True),
        ("Copyright and disclaimers in tiny print.", 99, True),
        ("In loving memory of Ida Strand.", 99, True),
        ("The End, in looping script.", 99, True),
        ("A poster says tonight: music by the Delta Five.", 50, False),
        ("The note is written by a child.", 50, False),
        ("A wreath says In loving memory.", 99, False),
        ("She thanks the porter with a coin.", 1, False),
        ("A boy presents flowers to the queen.", 1, False),
        ("The end of the rope slips through his hands.", 99, False),
        ("The boat's name fades into the fog.", 99, False),
    ],
)
def test_credits_by_their_words_and_their_place(caption: str, minute: float, credit: bool) -> None:
    around = [scene("A road at dawn.", 0), scene(caption, minute), scene("He is gone.", 100)]
    assert KeywordCredits().tag(around) == [False, credit, False]


def test_credits_are_removed_and_counted_by_any_tagger() -> None:
    class EverySecond:
        def tag(self, samples: list[Sample]) -> list[bool]:
            return [index % 2 == 1 for index in range(len(samples))]

    samples = [scene("a", 1), scene("b", 2), scene("c", 3)]
    result = remove_credits(ReadResult(samples, DropReport()), EverySecond())  # type: ignore[arg-type]
    assert [sample.caption for sample in result.samples] == ["a", "c"]
    assert result.report.dropped == {"credits": 1}


def test_clips_without_a_movie_have_no_edges() -> None:
    assert KeywordCredits().tag([scene("A logo.", 0, movie=None)]) == [False]
