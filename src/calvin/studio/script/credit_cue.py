"""The last cue of a description: who wrote, reviewed and speaks it, counted from what the project knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calvin.core.errors import UsageError
from calvin.core.time import Span, in_s
from calvin.core.types import Author, Cue, CueKind, Status
from calvin.media.gaps import dialogue_gaps
from calvin.media.languages import language_name, short_code
from calvin.studio.project.origin import Origin, origin_of
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import WORDS_PER_MINUTE, EstimatedLength, free_part
from calvin.studio.script.human_words import Change, WordsPlan
from calvin.studio.script.script_files import project_plan
from calvin.studio.script.writers import printable


@dataclass(frozen=True, slots=True)
class CreditWords:
    """How a language says it: `lead` begins the sentence, by which a later one finds it again."""

    lead: str
    by: str
    using: str
    also: str
    reviewed: str
    partly: str
    unseen: str
    spoken: str
    synthetic: str
    someone: str


FORMS = {
    "en": CreditWords("Description written", "by", "with", "and", "reviewed by", "partly reviewed by", "not reviewed",
                      "spoken by", "synthetic voice", "a person"),
    "de": CreditWords("Beschreibung geschrieben", "von", "mit", "und", "geprüft von", "teilweise geprüft von",
                      "nicht geprüft", "gesprochen von", "synthetische Stimme", "einem Menschen"),
    "fr": CreditWords("Description écrite", "par", "avec", "et", "relue par", "relue en partie par", "non relue",
                      "dite par", "voix de synthèse", "une personne"),
    "es": CreditWords("Descripción escrita", "por", "con", "y", "revisada por", "revisada en parte por", "sin revisar",
                      "leída por", "voz sintética", "una persona"),
    "it": CreditWords("Descrizione scritta", "da", "con", "e", "rivista da", "rivista in parte da", "non rivista",
                      "letta da", "voce sintetica", "una persona"),
    "nl": CreditWords("Beschrijving geschreven", "door", "met", "en", "nagekeken door", "deels nagekeken door",
                      "niet nagekeken", "ingesproken door", "synthetische stem", "een mens"),
}  # fmt: skip
"""By language."""


def credit_text(origin: Origin, language: str, describer: str = "", narrator: str = "") -> str:
    """'Description written with calvin-small, reviewed by Mara Ng, synthetic voice joe.'

    Args:
        origin: who made how many cues; people are named alone where they made all of it.
        describer: who wrote and reviewed, and `narrator` who speaks; "": a person.

    Raises:
        UsageError: there is no form in that language.
    """
    words = FORMS.get(short_code(language))
    if words is None:
        raise UsageError(
            f"There are no credits in {language_name(language)}: give them in your own words, by --text; forms are "
            f"there in {', '.join(map(language_name, FORMS))}."
        )
    person = describer or words.someone
    model = origin.model or "AI"
    wrote = [f"{words.by} {person}"] if origin.by_model < origin.cues else []
    wrote += [f"{words.using} {model}"] if origin.by_model else []
    parts = [f"{words.lead} {f' {words.also} '.join(wrote)}"]
    if origin.by_model:
        seen = words.reviewed if origin.approved == origin.by_model else words.partly
        parts.append(f"{seen} {person}" if origin.approved else words.unseen)
    parts += [f"{words.spoken} {narrator or describer or words.someone}"] if origin.recorded else []
    parts += [f"{words.synthetic} {origin.voice}".strip()] if origin.synthetic else []
    return printable(f"{', '.join(parts)}.")


def plan_credits(store: ProjectStore, describer: str = "", narrator: str = "", text: str = "") -> WordsPlan:
    """What giving a project its credits would change: a cue in its last silence that holds it, or the one there anew.

    Args:
        describer: who wrote and reviewed, and `narrator` who speaks.
        text: the credits themselves, instead of those that are counted.

    Raises:
        UsageError: nothing is described yet, no form in the language, or no silence that is long enough.
    """
    film, cues = store.bound_film(), store.cues
    before = _credits(cues, film.language)
    others = [cue for cue in cues if before is None or cue.id != before.id]
    if not any(cue.text.strip() for cue in others):
        raise UsageError("Nothing is described yet, so there is nobody to name: describe the film first.")
    voiced = [one for one in spoken_cues(store)[0] if one.cue.text.strip() and (not before or one.cue.id != before.id)]
    origin = origin_of(store, others, voiced)
    said = printable(text) or credit_text(origin, film.language, describer, narrator)
    notes = [] if voiced else ["No cue is spoken yet, so no voice is named: run this again after `calvin voice`."]
    name = "The credits"
    needed = EstimatedLength(round((store.voice.rate if store.voice else None) or WORDS_PER_MINUTE)).ms(said)
    span = _place(store, others, needed, film.duration_ms)
    if before is not None:
        keeps = before.span.duration_ms >= needed
        after = replace(before, text=said, span=before.span if keeps else span or before.span, author=Author.HUMAN)
        if span is None and not keeps:
            raise _no_room(needed)
        return WordsPlan(name, (Change(before, after),), tuple(notes), what="credits")
    if span is None:
        raise _no_room(needed)
    new = Cue("", span, said, span, span.start_ms, Author.HUMAN, Status.APPROVED, kind=CueKind.CREDIT)
    return WordsPlan(name, (Change(None, new),), tuple(notes), what="credits")


def _credits(cues: Sequence[Cue], language: str) -> Cue | None:
    """The credits that were given before."""
    words = FORMS.get(short_code(language))
    own = [cue for cue in cues if cue.kind is CueKind.CREDIT and cue.author is Author.HUMAN]
    return next((cue for cue in reversed(own) if words and cue.text.startswith(words.lead)), None)


def _place(store: ProjectStore, others: Sequence[Cue], needed_ms: int, duration_ms: int) -> Span | None:
    """The last stretch that is long enough, free of dialogue and other cues."""
    plan = project_plan(store)
    gaps = dialogue_gaps([line.span for line in store.dialogue], duration_ms, plan.min_gap_ms, plan.guard_ms)
    taken = [Span(max(0, cue.span.start_ms - plan.breath_ms), cue.span.end_ms + plan.breath_ms) for cue in others]
    for gap in reversed(gaps):
        after = [span.end_ms for span in taken if span.overlap_ms(gap)]
        tail = Span(min(max([gap.start_ms, *after]), gap.end_ms), gap.end_ms)
        free = tail if tail.duration_ms >= needed_ms else free_part(gap, taken)
        if free is not None and free.duration_ms >= needed_ms:
            return Span(free.start_ms, free.start_ms + needed_ms)
    return None


def _no_room(needed_ms: int) -> UsageError:
    return UsageError(
        f"The credits take {in_s(needed_ms)}, and no silence has room for them: give shorter ones by --text, or "
        "shorten the last cues."
    )
