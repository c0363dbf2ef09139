"""A described film for players on the web: HLS and DASH over one set of segments (CMAF), with the description marked.

FFmpeg cuts the segments and writes the playlist of each track. It marks no track as description, so the list of all
tracks is written here, and its DASH manifest completed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import av

from calvin.core.errors import CalvinError, UsageError
from calvin.core.files import atomic_folder, write_bytes, write_text
from calvin.core.progress import Listener, silent
from calvin.media.film.source import MediaLimits, open_film, track_title
from calvin.media.languages import language_name, long_code, short_code
from calvin.media.sound.ducking import MixSettings
from calvin.media.sound.film_check import DESCRIPTION, first_picture
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import make_way, provenance
from calvin.studio.script.text_formats import VttWriter
from calvin.studio.sound.film_mix import MixReport, mix_project

PLAYLIST, MANIFEST = "master.m3u8", "manifest.mpd"
SUFFIXES = (".m3u8", ".mpd")
DESCRIBES = "public.accessibility.describes-video"
"""HLS's word for a track that describes (RFC 8216, 4.3.4.1, and Apple's list of media characteristics)."""
ROLES = "urn:mpeg:dash:role:2011"
PURPOSES = "urn:tva:metadata:cs:AudioPurposeCS:2007"
"""By which DASH says what a track is for (ISO/IEC 23009-1, 5.8.5.5, and DVB-DASH): 1 is audio description."""
_OURS = re.compile(r"master\.m3u8|manifest\.mpd|media_\d+\.m3u8|init-stream\d+\.m4s|chunk-stream\d+-\d+\.m4s")
_SEGMENT_S = 6
_MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def is_package(target: Path) -> bool:
    """Whether a mix is to become a folder for players on the web."""
    return target.suffix.lower() in SUFFIXES


@dataclass(frozen=True, slots=True)
class _Track:
    """A sound track in the package: `number` names its playlist and segments."""

    number: int
    name: str
    language: str
    described: bool
    channels: int


def package_project(
    folder: str | Path,
    output: str | Path,
    settings: MixSettings | None = None,
    language: str | None = None,
    film: str | Path | None = None,
    listener: Listener = silent,
    spec: str | None = None,
) -> MixReport:
    """Mix a project, check the mix as `mix_project` does, and cut it into segments for players on the web.

    Args:
        output: the playlist (.m3u8) or manifest (.mpd) in a folder of its own; both are written there.

    Raises:
        CalvinError: as of `mix_project`; or other files lie in that folder. Then nothing is left behind.
    """
    target = Path(output)
    place = target.parent
    _check_place(target)
    with atomic_folder(place) as made:
        mixed = made / "film.mp4"
        try:
            report = mix_project(folder, mixed, settings, False, language, film, listener, spec)
        except CalvinError as error:
            raise type(error)(str(error).replace(str(mixed), str(target))) from error
        _segmented(mixed, made)
        mixed.unlink()
    report.files = [place / PLAYLIST, place / MANIFEST]
    return report


def sidecar_path(store: ProjectStore, beside: Path, film: Path | None = None) -> Path:
    """What the described sound beside a film is called, so that Jellyfin finds it: 'Film.Audio Description.eng.m4a'.

    Args:
        beside: a film, or the folder in which the project's own film lies.
        film: the project's film, if it was moved.

    Raises:
        UsageError: there is no such film or folder.
    """
    row = store.bound_film()
    if not beside.exists():
        raise UsageError(f"{beside} is not there: name the film that the files are to lie beside, or its folder.")
    named = beside if beside.is_file() else beside / Path(film or row.path).name
    return named.with_name(f"{named.stem}.Audio Description.{long_code(row.language) or 'und'}.m4a")


def write_beside(store: ProjectStore, sound: Path) -> tuple[Path, list[str]]:
    """Write the script beside a described sound track under its name, as WebVTT; what is in the way is kept."""
    path = sound.with_suffix(".vtt")
    data = VttWriter().content(store.script(), provenance(store))
    notes = make_way(store, path, data)
    write_bytes(path, data)
    return path, notes


def _check_place(target: Path) -> None:
    """
    Raises:
        UsageError: it is no folder of its own, or another name than that of the list of tracks.
    """
    if target.name not in (PLAYLIST, MANIFEST):
        raise UsageError(f"{target} is not what the list of tracks is called: name {target.with_name(PLAYLIST)}.")
    place = target.parent
    if place.resolve() == Path.cwd() or place.is_file():
        raise UsageError(f"Segments lie in a folder of their own: name one, such as stream/{target.name}.")
    there = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    foreign = next((name for name in there if not _OURS.fullmatch(name)), None)
    if foreign is not None:
        raise UsageError(f"{place} holds {foreign}, which no mix has written there: name a folder that is new.")


def _segmented(film: Path, place: Path) -> None:
    """Cut picture and sound tracks into segments, and write what lists them."""
    with open_film(film, MediaLimits()) as source:
        picture = first_picture(source)
        streams = [*([picture] if picture is not None else []), *source.streams.audio]
        tracks = _tracks(source.streams.audio, 0 if picture is None else 1)
        options = {"hls_playlist": "1", "seg_duration": str(_SEGMENT_S), "use_template": "1", "use_timeline": "1"}
        with av.open(str(place / MANIFEST), "w", format="dash", options=options) as output:
            copies = {}
            for stream in streams:
                copy: Any = output.add_stream_from_template(stream, opaque=True)
                if stream.codec_context.codec_tag.strip("\0"):
                    copy.codec_context.codec_tag = stream.codec_context.codec_tag
                copies[stream.index] = copy
            for packet in source.demux(streams):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    output.mux_one(packet)
    rates = {number: _rate(place, number) for number in range(len(streams))}
    codecs = _complete(place / MANIFEST, tracks, rates)
    size = (picture.width, picture.height) if picture is not None else None
    write_text(place / PLAYLIST, _playlist(tracks, rates, codecs, size))


def _tracks(streams: Sequence[Any], first: int) -> list[_Track]:
    found: list[_Track] = []
    for number, stream in enumerate(streams, first):
        language = "" if (stream.language or "und") == "und" else short_code(stream.language)
        name = track_title(stream.metadata) or (language_name(language) if language else f"Sound {number}")
        name = re.sub(r'["\s]+', " ", name).strip()
        taken = {track.name for track in found}
        name = name if name not in taken else f"{name} ({number})"
        described = bool(stream.disposition & DESCRIPTION)
        found.append(_Track(number, name, language, described, stream.codec_context.channels))
    return found


def _rate(place: Path, number: int) -> int:
    """The highest rate of a track's segments, in bits a second, by its playlist."""
    text = (place / f"media_{number}.m3u8").read_text(encoding="utf-8")
    parts = re.findall(r"#EXTINF:([\d.]+),[^\n]*\n(?:#[^\n]*\n)*([^#\n]+)", text)
    return max((round((place / name.strip()).stat().st_size * 8 / max(float(lasts), 0.1)) for lasts, name in parts),
               default=1)  # fmt: skip


def _playlist(
    tracks: Sequence[_Track], rates: dict[int, int], codecs: Sequence[str], size: tuple[int, int] | None
) -> str:
    """HLS's list of all tracks (RFC 8216, 4.3.4)."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    main = next((track.number for track in tracks if not track.described), -1)
    for track in tracks:
        told = {
            "TYPE": "AUDIO",
            "GROUP-ID": '"sound"',
            "NAME": f'"{track.name}"',
            **({"LANGUAGE": f'"{track.language}"'} if track.language else {}),
            "DEFAULT": "YES" if track.number == main else "NO",
            "AUTOSELECT": "YES",
            **({"CHARACTERISTICS": f'"{DESCRIBES}"'} if track.described else {}),
            "CHANNELS": f'"{track.channels}"',
            "URI": f'"media_{track.number}.m3u8"',
        }
        lines.append("#EXT-X-MEDIA:" + ",".join(f"{name}={value}" for name, value in told.items()))
    sound = max((rates[track.number] for track in tracks), default=0)
    first = 0 if size else tracks[0].number
    rate = rates[0] + sound if size else sound
    known = f',CODECS="{",".join(dict.fromkeys(codecs))}"' if all(codecs) else ""
    shown = f",RESOLUTION={size[0]}x{size[1]}" if size else ""
    lines += [f'#EXT-X-STREAM-INF:BANDWIDTH={rate}{known}{shown},AUDIO="sound"', f"media_{first}.m3u8"]
    return "\n".join(lines) + "\n"


def _complete(manifest: Path, tracks: Sequence[_Track], rates: dict[int, int]) -> list[str]:
    """Say in a DASH manifest which track describes, in which language each is, and how much each takes; returns the
    codecs of all tracks."""
    for prefix, space in (("", _MPD[1:-1]), ("xlink", "http://www.w3.org/1999/xlink")):
        ET.register_namespace(prefix, space)
    tree = ET.parse(manifest)
    by_number = {track.number: track for track in tracks}
    codecs = []
    for group in tree.iter(f"{_MPD}AdaptationSet"):
        shown = group.find(f"{_MPD}Representation")
        assert shown is not None
        number = int(shown.get("id", "0"))
        shown.set("bandwidth", str(rates[number]))
        codecs.append(shown.get("codecs", ""))
        track = by_number.get(number)
        if track is None:
            continue
        if track.language:
            group.set("lang", track.language)
        for role in group.findall(f"{_MPD}Role"):
            group.remove(role)
        marks = [("Role", ROLES, "main")]
        if track.described:
            marks = [("Accessibility", PURPOSES, "1"), ("Accessibility", ROLES, "description"),
                     ("Role", ROLES, "alternate"), ("Role", ROLES, "description")]  # fmt: skip
        for at, (name, scheme, value) in enumerate(marks):
            group.insert(at, ET.Element(f"{_MPD}{name}", {"schemeIdUri": scheme, "value": value}))
    write_text(manifest, ET.tostring(tree.getroot(), encoding="unicode", xml_declaration=False) + "\n")
    return codecs
