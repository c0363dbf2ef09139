"""`calvin voice` and `calvin mix`: the cues of a project spoken, and mixed into its film."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.console import ProgressView, say, warn_all
from calvin.core.errors import UsageError
from calvin.core.time import in_s
from calvin.media.voice.registry import VOICES

if TYPE_CHECKING:
    from calvin.media.sound.ducking import MixSettings
    from calvin.studio.sound.credentials import Signature
    from calvin.studio.sound.film_mix import MixReport


class Channels(StrEnum):
    STEREO = "stereo"
    SURROUND = "5.1"


class Delivery(StrEnum):
    EBU = "ebu-r128"
    NETFLIX = "netflix"
    ATSC = "atsc-a85"
    STREAMING = "streaming"


Duck = Annotated[
    float,
    typer.Option(
        help="How far the film is turned down under the voice, in dB; further where it is very loud there, less "
        "where it would no longer be heard. 0 leaves it as it is.",
        min=-60,
        max=0,
    ),
]
Spec = Annotated[
    Delivery | None,
    typer.Option(
        help="Bring the described sound to what a delivery asks for: ebu-r128 (-23 LUFS), netflix (dialogue -27), "
        "atsc-a85 (dialogue -24) or streaming (dialogue -18).",
        show_default="as loud as the film",
    ),
]
Recorded = Annotated[
    list[str] | None,
    typer.Option(
        help="A WAV or FLAC file of your own voice for a cue, such as cue-3=mara.wav; give it once for each recording. "
        "Nothing is spoken then.",
        metavar="CUE=FILE",
        show_default=False,
    ),
]
RecordedFolder = Annotated[
    Path | None,
    typer.Option(
        "--recorded",
        help="A folder of recordings, WAV or FLAC, named by their cues as `calvin mix -o FOLDER` writes "
        "them, or one file of them all at the times of the list. Nothing is spoken then.",
        metavar="FOLDER",
        show_default=False,
    ),
]
Forgotten = Annotated[
    list[str] | None,
    typer.Option(
        help="Take the recording of a cue away, such as cue-3; `calvin undo` brings it back.",
        metavar="CUE",
        show_default=False,
    ),
]


def list_voices(wanted: bool) -> None:
    if not wanted:
        return
    from calvin.media.voice.voices import espeak_languages

    for kind in VOICES.values():
        say(f"{kind.name}: {kind.about}")
    say("espeak:LANGUAGE, or the language of the project, for which the nearest of these speaks:")
    say(", ".join(f"{code} ({name})" for code, name in espeak_languages().items()))
    say("A Piper .onnx file: `python -m piper.download_voices` has many (https://rhasspy.github.io/piper-samples)")
    raise typer.Exit


def voice(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    name: Annotated[
        str | None,
        typer.Option(
            "--voice",
            help=f"{VOICES.listed()}.",
            show_default="the one before, else the best installed",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Words per minute.", min=60, max=400, show_default="as before, else 160")
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            help="Loudness of each cue, in LUFS: in the mix, -23 is as loud as the film's dialogue, -20 3 LU louder.",
            min=-40,
            max=-10,
            show_default="as before, else -23",
        ),
    ] = None,
    _list: Annotated[
        bool,
        typer.Option(
            "--list", help="List the voices, and where others come from.", callback=list_voices, is_eager=True
        ),
    ] = False,
    pronunciation: Annotated[
        Path | None,
        typer.Option(help="CSV of names, and how to spell each so that it is said right.", show_default="as before"),
    ] = None,
    record: Recorded = None,
    recorded: RecordedFolder = None,
    forget: Forgotten = None,
) -> None:
    """Speak the cues of a project; only those that have changed since last time are spoken again.

    The project remembers the voice, its pace, its level and the list of pronunciations. Cues may also be spoken by
    people: --record takes a file for a cue, and --recorded a folder of them. Recordings are brought to the level of the
    other cues, and silence is cut off their ends.

    Examples:

        calvin voice film.calvin

        calvin voice film.calvin --voice espeak:de --rate 150 --pronunciation names.csv

        calvin voice film.calvin --record cue-3=mara.wav --record cue-7=rain.wav

        calvin voice film.calvin --recorded from-the-studio
    """
    given: dict[str, object] = {"--voice": name, "--rate": rate, "--level": level, "--pronunciation": pronunciation}
    if recorded is not None:
        return _own_voices(project, recorded, given | {"--record": record or None, "--forget": forget or None})
    if record or forget:
        return _own_voice(project, record or [], forget or [], given)
    from calvin.studio.project.status import notes_to_tell
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.sound.voiced_cues import voice_project, voice_settings

    with ProjectStore(project, read_only=True) as store:
        settings = voice_settings(store.voice, rate=rate, lufs=level)
    with ProgressView() as progress:
        report = voice_project(project, name, settings, pronunciation, progress)
    say(f"{project}: {report.in_words}")
    with ProjectStore(project) as store:
        warn_all(notes_to_tell(store, "voice", (*report.on_lengths(), *report.notes)))


def _own_voice(project: Path, record: list[str], forget: list[str], given: dict[str, object]) -> None:
    """Take recordings, or take them away.

    Raises:
        UsageError: an option is not understood, or does not go with these.
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.sound.recorded_cues import forget_recording, record_cue

    _alone(given)
    files: list[tuple[str, Path]] = []
    for one in record:
        cue, equals, file = one.partition("=")
        if not (cue.strip() and equals and file.strip()):
            raise UsageError(f"--record takes a cue and a WAV file, such as cue-3=mara.wav, and not {one!r}.")
        files.append((cue.strip().removeprefix("cue-"), Path(file.strip())))
    notes: list[str] = []
    with ProjectStore(project) as store:
        for cue in (one.strip().removeprefix("cue-") for one in forget):
            forget_recording(store, cue)
            say(f"cue-{cue}: its recording is taken away; `calvin undo {project}` brings it back")
        for cue, path in files:
            measured, told = record_cue(store, cue, path)
            say(f"cue-{cue}: recorded, {in_s(measured.ms)}; there is room for {in_s(measured.room_ms)}")
            notes += [f"cue-{cue}: {note}" for note in told]
    warn_all(notes)


def _own_voices(project: Path, folder: Path, given: dict[str, object]) -> None:
    """Take the recordings of a folder.

    Raises:
        UsageError: other options are given.
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.sound.recorded_folder import take_recordings

    _alone(given)
    with ProjectStore(project) as store, ProgressView() as progress:
        report = take_recordings(store, folder, progress)
    say(f"{project}: {report.in_words}")
    for one in report.taken:
        say(f"  {one.in_words}")
    if report.taken:
        say(f"`calvin undo {project}` takes them back.")
    warn_all(report.notes)


def _alone(given: dict[str, object]) -> None:
    """
    Raises:
        UsageError: options are given that do not go with recordings.
    """
    others = [option for option, value in given.items() if value is not None]
    if others:
        raise UsageError(f"Recordings are taken by themselves: give {' and '.join(others)} in a command of its own.")


def mix(
    project: Annotated[Path, typer.Argument(help="Project folder, after `calvin voice`.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Film: .mkv, .mp4, .mov, .webm. Sound: .wav, .m4a, .mka. For the web: FOLDER/master.m3u8. Without a "
            "suffix: a folder for a studio.",
        ),
    ],
    extended: Annotated[
        bool, typer.Option("--extended", help="The film pauses where a cue needs more time than there is.")
    ] = False,
    channels: Annotated[
        Channels, typer.Option(help="Channels of the described sound; 5.1 only if the film has it.")
    ] = Channels.STEREO,
    duck: Duck = -8,
    spec: Spec = None,
    language: Annotated[
        str | None,
        typer.Option(help="Language of the film's sound track to mix with, such as en.", show_default="as before"),
    ] = None,
    film: Annotated[Path | None, typer.Option(help="Where the film is now, if it has been moved.")] = None,
    with_text: Annotated[bool, typer.Option("--with-text", help="For .mkv: the words as a text track too.")] = False,
    sidecars: Annotated[
        bool,
        typer.Option("--sidecars", help="Write sound and text beside the film that --out names."),
    ] = False,
    sign: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--sign", metavar="CERTIFICATE KEY", help="Content credentials (C2PA): two PEM files."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace a file that this project did not mix.")] = False,
) -> None:
    """Mix the spoken cues into the film: its streams stay untouched, and the described sound becomes a second track.

    The voice is as loud as the film's dialogue. The result is checked before it is kept: every cue must be heard,
    everything else must be as it was, and what --spec asks for must be met.

    Examples:

        calvin mix film.calvin -o film.ad.mkv

        calvin mix film.calvin -o "Film.Audio Description.eng.m4a"

        calvin mix film.calvin -o film.extended.mp4 --extended

        calvin mix film.calvin -o ad.wav --spec ebu-r128

        calvin mix film.calvin -o delivery --spec ebu-r128

        calvin mix film.calvin -o stream/master.m3u8

        calvin mix film.calvin -o /library/Film/Film.mkv --sidecars

        calvin mix film.calvin -o film.ad.mp4 --sign studio.pem studio.key
    """
    from calvin.media.sound.ducking import MixSettings
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.sound.credentials import Signature, check_signature
    from calvin.studio.sound.packaging import is_package, sidecar_path

    signature = Signature(*sign) if sign is not None else None
    if extended and (sidecars or is_package(output)):
        raise UsageError("A film that pauses is a film of its own: mix it with --extended as .mkv or .mp4.")
    with ProjectStore(project, read_only=True) as store:
        output = sidecar_path(store, output, film) if sidecars else output
        _check_target(output, store.mixed.get(str(output.resolve())), yes)
        language = language or store.mix_language
    if signature is not None:
        check_signature(signature, output)
    settings = MixSettings.load({"duck_db": duck, "layout": channels.value}, "mix")
    report = _mixed(project, output, settings, extended, language, film, spec and spec.value, with_text)
    signed, notes = _kept(project, output, report, language, sidecars, signature)
    for line in (report.in_words(extended), *report.levels_in_words(), *signed, *(f"  {p}" for p in report.files)):
        say(line)
    warn_all(notes)


def _kept(
    project: Path, output: Path, report: MixReport, language: str | None, sidecars: bool, signature: Signature | None
) -> tuple[list[str], list[str]]:
    """Remember a mix, and put beside and into it what was asked for; who signed it, and notes."""
    from calvin.studio.project.status import notes_to_tell
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.sound.credentials import sign_mix
    from calvin.studio.sound.film_mix import remember_mix
    from calvin.studio.sound.packaging import write_beside

    signed: list[str] = []
    with ProjectStore(project, or_look=True) as store:
        remember_mix(store, output)
        if signature is not None:
            signed.append(sign_mix(store, output, signature))
            remember_mix(store, output)
        store.mix_language = language
        if store.is_copy:
            report.notes.append(f"{project} cannot be written, so it will not know {output.name} as its own mix.")
        if sidecars:
            text, kept = write_beside(store, output)
            report.files.append(text)
            report.notes += kept
        notes = notes_to_tell(store, "mix", report.notes)
    return signed, notes


def _mixed(
    project: Path, output: Path, settings: MixSettings, extended: bool, language: str | None, film: Path | None,
    spec: str | None, with_text: bool,
) -> MixReport:  # fmt: skip
    """Mix into whatever the name of the output says."""
    from calvin.studio.sound.film_mix import mix_project
    from calvin.studio.sound.packaging import is_package, package_project

    with ProgressView() as progress:
        if is_package(output) and not with_text:
            return package_project(project, output, settings, language, film, progress, spec)
        return mix_project(project, output, settings, extended, language, film, progress, spec, with_text)


def _check_target(output: Path, mixed: tuple[int, int] | None, yes: bool) -> None:
    """
    Raises:
        UsageError: somebody else's file is there, and nobody agreed to replace it.
    """
    from calvin.studio.sound.film_mix import mix_stamp

    if yes or not output.is_file() or mix_stamp(output) == mixed:
        return
    if not (sys.stdin.isatty() and typer.confirm(f"{output} was not mixed from this project. Replace it?")):
        raise UsageError(f"{output} is there and was not mixed from this project: name another file, or give --yes.")
