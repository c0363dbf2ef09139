"""Nobody is named who has not been introduced: passed over, asked again, reworded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Licence
from calvin.captioners.naming import NameGuard, count_held, held_note, strangers, without
from calvin.captioners.people_names import PeopleFinder
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import EncoderIdentity, Scene


class Teller:
    """Says its answers one after another, and keeps what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[CaptionRequest] = []

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        self.asked += requests
        return [CaptionAnswer(said[0], -0.5, tuple(said)) for said in (self.answers.pop(0) for _ in requests)]


def request(*context: str, may: Sequence[str] = (), known: Sequence[str] = ()) -> CaptionRequest:
    licence = Licence(frozenset(may), frozenset(known))
    return CaptionRequest(Scene("1", "film", Span(0, 4000)), Prompt(context=context), licence=licence)


def guarded(teller: Teller, *requests: CaptionRequest) -> list[CaptionAnswer]:
    return NameGuard(teller).caption(requests)  # type: ignore[arg-type]


def test_who_is_introduced_may_be_named_and_others_not() -> None:
    [answer] = guarded(Teller(["Ann waves.", "Odette waves.", "Someone waves."]), request(may=["Ann Lee"]))
    assert (answer.text, answer.candidates, answer.held) == ("Ann waves.", ("Ann waves.", "Someone waves."), ())


def test_a_candidate_that_names_nobody_else_is_said_instead() -> None:
    teller = Teller(["Odette waves to Ann.", "A woman waves to Ann.", "Zora waves."])
    [answer] = guarded(teller, request("Ann sits.", may=["Ann"]))
    assert (answer.text, answer.held, len(teller.asked)) == ("A woman waves to Ann.", ("Odette",), 1)
    assert answer.candidates == ("A woman waves to Ann.",)


def test_where_all_name_somebody_it_is_asked_again_with_these_names_barred() -> None:
    teller = Teller(["Odette waves."], ["A woman in a red coat waves."])
    [answer] = guarded(teller, request("A man sits.", "Ann sits.", may=["Ann"]))
    assert (answer.text, answer.held) == ("A woman in a red coat waves.", ("Odette",))
    assert teller.asked[1].barred == ("Odette",)
    assert teller.asked[1].prompt.context == ("A man sits.", "Ann sits.")


class VectorTeller(Teller):
    """A teller that reads frame vectors, as a CALVIN does."""

    needs = frozenset({"features"})
    info = CaptionerInfo("vectors")
    encoder = EncoderIdentity("vectors", "")
    max_frames = 8

    def encode_frames(self, rgb: object) -> None: ...

    def notice(self, image_embeds: object) -> None: ...


@pytest.mark.parametrize("looks", [{}, {"Ann": "in a red coat"}])
def test_what_does_not_hang_on_the_captions_before_is_asked_ahead_all_at_once(looks: dict[str, str]) -> None:
    scenes = [Scene(str(number), "film", Span(0, 4000), np.full((2, 3), number, np.float32)) for number in range(3)]
    licence = Licence(frozenset(looks), looks=looks)
    requests = [CaptionRequest(one, Prompt(context=("A man stands.",)), licence=licence) for one in scenes]
    said = [["A woman in a red coat sits."], ["A woman in a red coat jumps."], ["A man in a blue coat waves."]]
    before = VectorTeller(*said)
    usual = [guarded(before, one)[0].text for one in requests]
    teller = VectorTeller(*said)
    guard = NameGuard(teller)  # type: ignore[arg-type]
    guard.look_ahead(requests)
    assert len(teller.asked) == 3
    assert [guard.caption([one])[0].text for one in requests] == usual
    assert teller.asked == before.asked, "with what each is asked when it is its turn, and no second time"


def test_what_may_hang_on_the_captions_before_is_not_asked_ahead() -> None:
    teller = VectorTeller(["Ann sits."])
    guard = NameGuard(teller)  # type: ignore[arg-type]
    free = CaptionRequest(Scene("1", "film", Span(0, 4000)), Prompt(context=("Ann stands.",)))
    guard.look_ahead([request("Ann stands.", may=["Ann"]), free])
    NameGuard(Teller()).look_ahead([request("A man stands.")])  # type: ignore[arg-type]
    assert not teller.asked


def test_a_model_that_reads_vectors_is_given_only_context_that_names_somebody_and_none_the_second_time() -> None:
    teller = VectorTeller(["A man sits."], ["Odette sits."], ["A woman sits."])
    guarded(teller, request("A man stands.", "Someone waves."))
    guarded(teller, request("A man stands.", "Ann waves.", may=["Ann"]))
    contexts = [one.prompt.context for one in teller.asked]
    assert contexts == [(), ("A man stands.", "Ann waves."), ()]


def test_last_the_name_is_replaced_by_what_is_seen() -> None:
    teller = Teller(["Odette waves."], ["Zora waves."], ["In a red dress, Ilse hands Ann the lamp."])
    [answer] = guarded(teller, request(may=["Ann"]))
    assert teller.asked[2].barred == ("Odette", "Zora")
    assert answer.text == "A woman in a red dress hands Ann the lamp."
    assert answer.held == ("Odette", "Zora", "Ilse")


def test_one_name_for_two_people_is_not_said_either() -> None:
    teller = Teller(*[["Ann, in a blue coat, pursues Ann, in a red coat."]] * 3)
    [answer] = guarded(teller, request(may=["Ann"]))
    assert answer.text == "Someone in a blue coat pursues someone in a red coat."


def test_without_a_licence_everybody_may_be_named() -> None:
    free = CaptionRequest(Scene("1", "film", Span(0, 4000)), Prompt())
    [answer] = guarded(teller := Teller(["Odette waves."]), free)
    assert (answer.text, len(teller.asked)) == ("Odette waves.", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Odette, in a yellow dress, hands Bob the lamp.", "A woman in a yellow dress hands Bob the lamp."),
        ("In a blue coat and a red hat, Hadi sits down.", "Someone in a blue coat and a red hat sits down."),
        ("In the kitchen, Odette sits.", "In the kitchen, someone sits."),
        ("Bob waves to Odette.", "Bob waves to someone."),
        ("Odette's hat falls.", "Someone's hat falls."),
        ("She takes Aziz's hat.", "She takes someone's hat."),
        ("Aziz and Odette walk.", "Two people walk."),
        ("Aziz, Zita and Odette walk.", "Three people walk."),
        ("Bob and Odette walk.", "Bob and someone walk."),
        ("Odette covers her eyes.", "A woman covers her eyes."),
        ("Aziz shakes his head.", "A man shakes his head."),
        ("Mr. Pike and the dog rest. Then Mr. Pike leaves.", "A man and the dog rest. Then the man leaves."),
        ("Dr. Pike, wearing a white coat, nods.", "The doctor wearing a white coat nods."),
        (
            "Farah, in a red jacket, helps Aziz, in a blue jacket, up on the beach.",
            "Someone in a red jacket helps someone in a blue jacket up on the beach.",
        ),
        ("On Monday, Odette flies to Paris.", "On Monday, someone flies to Paris."),
    ],
)
def test_general_words_stand_in_for_names(text: str, said: str) -> None:
    finder, licence = PeopleFinder(["Bob"]), Licence(frozenset({"Bob"}))
    assert without(text, strangers(text, licence, finder)) == said


def test_other_languages_have_their_own_word_and_where_there_is_none_nothing_is_said() -> None:
    finder = PeopleFinder(["Odette"])
    for language, said in (("fr", "Quelqu'un salue."), ("de-CH", "Jemand salue."), ("ja", "")):
        assert without("Odette salue.", finder.mentions("Odette salue."), language) == said


def test_the_note_counts_places_and_names() -> None:
    counts = count_held(("Odette",), count_held(("Odette", "Aziz"), count_held((), {})))
    assert counts == {"Odette": 2, "Aziz": 1, "places": 2}
    note = held_note(counts)
    assert note is not None
    assert note.startswith("In 2 places the model named somebody whom nobody has introduced")
    assert "(Odette 2, Aziz 1)" in note
    assert held_note({}) is None


def known_by_look(*present: str) -> CaptionRequest:
    licence = Licence(frozenset(present), looks={"Ann": "in a red coat", "Bob": "in a blue coat"})
    prompt = Prompt(context=("Cy sits.",), entities=tuple(present))
    return CaptionRequest(Scene("1", "film", Span(0, 4000)), prompt, licence=licence)


def test_who_is_known_by_look_is_named_where_the_model_sees_the_look_by_itself() -> None:
    teller = VectorTeller(["A man in a red coat hugs a woman in a green dress.", "A man in a red coat hugs somebody."])
    [answer] = guarded(teller, known_by_look("Bob"))
    assert (teller.asked[0].prompt.context, teller.asked[0].prompt.entities) == ((), ())
    assert answer.text == "Ann, in a red coat, hugs a woman in a green dress."
    assert answer.candidates[1:3] == ("Ann hugs a woman in a green dress.", "Ann, in a red coat, hugs somebody.")
    assert len(teller.asked) == 1


def test_where_no_known_look_is_told_the_names_are_given() -> None:
    teller = VectorTeller(["A door closes."], ["Bob closes a door."])
    assert guarded(teller, known_by_look("Bob"))[0].text == "Bob closes a door."
    assert teller.asked[1].prompt.entities == ("Bob",)
    assert guarded(VectorTeller(["A door closes."]), known_by_look())[0].text == "A door closes."


def test_a_model_that_reads_stills_is_told_the_names_and_sees_the_looks_itself() -> None:
    teller = Teller(["Bob closes a door."])
    assert guarded(teller, known_by_look("Bob"))[0].text == "Bob closes a door."
    assert len(teller.asked) == 1


@pytest.mark.parametrize(("language", "own"), [("en", "his"), ("en-GB", "his"), ("de", "her")])
def test_pronouns_follow_the_cast_whoever_put_the_name_in(language: str, own: str) -> None:
    licence = Licence(
        frozenset({"Ann", "Bob"}), language=language, looks={"Bob": "in a red coat"}, pronouns={"Bob": "he/him"}
    )
    request = CaptionRequest(Scene("1", "film", Span(0, 4000)), Prompt(entities=("Bob",)), licence=licence)
    seen = guarded(VectorTeller(["A woman in a red coat lifts her hat.", "A woman in a red coat sits."]), request)[0]
    assert seen.text == f"Bob, in a red coat, lifts {own} hat."
    told = guarded(Teller(["Bob crouches on her knees.", "Bob crouches on his knees."]), request)[0]
    assert told.text == f"Bob crouches on {own} knees."
    assert len(told.candidates) == len(set(told.candidates))
