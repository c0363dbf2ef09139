"""What a project remembers beside its script: each a value under a name of its own."""

from __future__ import annotations

from pydantic import TypeAdapter

from calvin.core.types import Character
from calvin.media.sound.film_levels import FilmLevels
from calvin.studio.project.contents import DecodeRecord, ProgrammeClock, VoiceRecord
from calvin.studio.project.database import Setting
from calvin.studio.project.describe_settings import DescribeSources
from calvin.studio.project.excerpts import Excerpts


class Remembered(Excerpts):
    """The values that a project keeps as JSON; the store adds the script."""

    decoded = Setting("decoded", TypeAdapter(DecodeRecord | None), None)
    """What the decode pass found; None before it is done."""
    model = Setting("model", TypeAdapter(dict[str, str]), {})
    """Who described: a captioner's name, fingerprint and card, the version of calvin, and more of the captioner."""
    sources = Setting("sources", TypeAdapter(DescribeSources | None), None)
    """From what it was described; None where nothing says so, as in projects of earlier versions."""
    decoding = Setting("decoding", TypeAdapter(tuple[int, int] | None), None)
    """How many seconds of the film are decoded, and of how many, while that is at work or after it was stopped."""
    notes = Setting("notes", TypeAdapter(tuple[str, ...]), ())
    """What there was to say to the describer."""
    characters = Setting("cast", TypeAdapter(tuple[Character, ...]), ())
    """The cast that the film was last described with."""
    cleaned = Setting("cleaned", TypeAdapter(dict[str, int]), {})
    """How many answers of the model were cleaned, and how many by each rule (see `count_cleanings`)."""
    unparsed = Setting("unparsed", TypeAdapter(int), 0)
    """How many answers of an adapted model did not keep to its form."""
    held = Setting("held", TypeAdapter(dict[str, int]), {})
    """In how many places each name was held back, and any at all (see `count_held`)."""
    voice = Setting("voice", TypeAdapter(VoiceRecord | None), None)
    """Who spoke the cues, and what; None before that."""
    mixed = Setting("mixed", TypeAdapter(dict[str, tuple[int, int]]), {})
    """Size and time of change (ns) of the mixes of the project, by path: other files there are somebody else's."""
    written = Setting("written", TypeAdapter(dict[str, list[str]]), {})
    """SHA-256 of the last two states in which a file was written, by its path: other ones are somebody's work."""
    told = Setting("told", TypeAdapter(dict[str, tuple[str, ...]]), {})
    """The notes that each command last had for the project's describer."""
    mix_language = Setting("mix_language", TypeAdapter(str | None), None)
    """The language of the film's sound track to mix with, as it was last named."""
    film_levels = Setting("film_levels", TypeAdapter(FilmLevels | None), None)
    """How loud the film's sound is, as it was last measured for a mix; None before that."""
    skeleton = Setting("skeleton", TypeAdapter(bool), False)
    """Whether its open places are left to a person or to a model that is named later."""
    edit_times = Setting("edit_times", TypeAdapter(dict[str, tuple[int, int]] | None), None)
    """How many edits each cue had, by its id, and how many ms they took (see `study_log`); None: that is not kept."""
    clock = Setting("clock", TypeAdapter(ProgrammeClock), ProgrammeClock())
    """How time is told in scripts that count as the programme does."""
    exported = Setting("exported", TypeAdapter(tuple[str, ...]), ())
    """Where the script was written to, by path: there it is renewed whenever it changes."""
