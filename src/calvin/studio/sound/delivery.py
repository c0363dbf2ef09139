"""A folder with all that a studio takes of a mix: the mix, its two parts, each cue, a list of them, and the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.core.errors import UsageError
from calvin.core.files import read_record, write_json, write_text
from calvin.core.package import __version__
from calvin.core.text_tables import csv_text, sheet_text, sheet_time
from calvin.core.time import format_timecode
from calvin.media.sound.ducking import MixSettings, PlacedVoice, ceiling_db, limited
from calvin.media.sound.film_sound import MIX_RATE, read_wav, resampled
from calvin.media.sound.loudness import Metered
from calvin.media.sound.stems import CODEC, BroadcastWav, Parts, StemFiles, write_stems
from calvin.media.timecode import FrameCount, start_ms
from calvin.studio.project.origin import Origin, of_one_cue
from calvin.studio.project.status import SpokenCue
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.writers import cue_name
from calvin.studio.sound.balance import Balance, beside_film, figures

REPORT, CUES, LIST = "report.json", "cues", "cues.csv"
COLUMNS = ("file", "id", "in", "out", "text", "voice")


def is_delivery(target: Path) -> bool:
    """Whether a mix is to become a folder: a folder that is there, or a name without a suffix."""
    return target.is_dir() or not target.suffix


def check_delivery(target: Path) -> None:
    """
    Raises:
        UsageError: something that no mix has written would be replaced.
    """
    if target.is_file():
        raise UsageError(f"{target} is a file: name a folder that is new.")
    if not target.is_dir():
        return
    known = {REPORT, *(str(name) for name in read_record(target / REPORT).get("files", ()))}
    there = (path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir())
    foreign = next((name for name in sorted(there) if name not in known), None)
    if foreign is not None:
        raise UsageError(f"{target} holds {foreign}, which no mix has written there: name a folder that is new.")


def programme_start_ms(store: ProjectStore) -> int:
    """When the film begins by the programme's time code, in ms; 0 where nothing says so.

    Raises:
        UsageError: its code counts frames, and nothing says how many there are in a second.
    """
    clock = store.clock
    rate = store.film.facts.get("frame_rate") if store.film else None
    of_film = FrameCount.of(rate) if isinstance(rate, int | float) and rate > 0 else None
    count = FrameCount.named(clock.rate) if clock.rate else of_film
    return start_ms(clock.starts_at, count) if clock.starts_at else 0


@dataclass(frozen=True, slots=True)
class DeliveryWork:
    """What a folder is made of: where it is written, the film's name, and when the programme begins."""

    folder: Path
    title: str
    begins_ms: int
    settings: MixSettings
    make: Callable[[], Parts]
    origin: Origin

    @property
    def mix(self) -> Path:
        return self.folder / f"{self.title}.mix.wav"

    def write(self, balance: Balance, on_block: Callable[[float], None]) -> tuple[Metered, Balance]:
        """Write all of it; returns what a meter reads of the mix, and the balance that it got in the end.

        Raises:
            MediaError: it misses what its delivery asks for.
        """
        film, voice = (self.folder / f"{self.title}.{part}.wav" for part in ("film", "description"))
        marks = (self.origin.mark(in_film=True), self.origin.mark())
        files = StemFiles(self.mix, film, voice, self.title, self.begins_ms, marks)
        written = write_stems(files, self.make, self.settings, on_block, balance.judge)
        read, balance = written.read, balance.louder(written.louder_db)
        balance.check(read)
        cues = self._write_cues(balance)
        levels = figures(balance, read, self.settings.layout)
        beside, spec = beside_film(balance, read), balance.spec
        write_json(
            self.folder / REPORT,
            {
                "written_by": f"calvin {__version__}",
                "film": self.title,
                "spec": spec.name if spec else None,
                "starts_at_ms": self.begins_ms,
                **({"origin": self.origin.as_json()} if self.origin.marked else {}),
                "levels": {name: reading.as_json() for name, reading in levels.items()},
                "mix_against_film_lu": None if beside is None else round(beside, 1),
                "files": [*(path.name for path in (self.mix, film, voice)), *cues, LIST],
            },
        )
        return read, balance

    def _write_cues(self, balance: Balance) -> list[str]:
        """Each voice as loud as in the mix, and the list of them; returns the files of the cues."""
        placed, settings = balance.placed, balance.settings
        gain = np.float32(10 ** ((settings.voice_db + settings.gain_db) / 20))
        (self.folder / CUES).mkdir()
        names = []
        for number, (voice, one) in enumerate(zip(placed.voices, placed.spoken, strict=True), 1):
            at = format_timecode(voice.start_ms).replace(":", "-").replace(".", "-")
            names.append(f"{CUES}/{number:04}_{cue_name(one.cue)}_{at}.wav")
            sound = resampled(*read_wav(voice.path), MIX_RATE)[:, None] * gain
            about = f"{self.title}: {cue_name(one.cue)}"
            made = of_one_cue(one, self.origin)
            starts_ms = self.begins_ms + voice.start_ms
            with BroadcastWav(self.folder / names[-1], "mono", about, starts_ms, made.mark()) as file:
                for block in limited([sound], ceiling_db(settings, CODEC)):
                    file.write(block)
        write_text(self.folder / LIST, csv_text(COLUMNS, _rows(names, placed.voices, placed.spoken)))
        return names


def _rows(names: Sequence[str], voices: Sequence[PlacedVoice], spoken: Sequence[SpokenCue]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            cue_name(one.cue),
            sheet_time(voice.start_ms),
            sheet_time(voice.end_ms),
            sheet_text(one.cue.text),
            "recorded" if one.recorded else "synthetic",
        )
        for name, voice, one in zip(names, voices, spoken, strict=True)
    ]
