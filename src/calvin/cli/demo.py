"""`calvin demo`: the bundled film, described, voiced and mixed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.cli.describe import show
from calvin.core.errors import MissingExtraError
from calvin.core.package import bundled_cast, bundled_film
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode

if TYPE_CHECKING:
    from calvin.core.types import Script


def demo(
    out_dir: Annotated[Path, Option("--out", "-o", help="Project folder.")] = Path("demo-output"),
    model: Annotated[
        str | None, Option("--model", "-m", help="Model folder, hub id or bundled name.", show_default="bundled")
    ] = None,
    yes: YES = False,
) -> None:
    """Describe the short film that comes with calvin, print the script, and mix it into the film as speech.

    The film is described twice: with a cast, of which three stills a person are known, and without one, when nobody is
    named whom nobody has introduced.

    Example:

        calvin demo
    """
    from calvin.captioners import open_captioner
    from calvin.studio.describe.films import describe

    (film, subtitles), cast = bundled_film(), bundled_cast()
    captioner = open_captioner(model, opening(yes))
    with ProgressView() as progress:
        # The same script whichever extras are installed: titles and credits are not read.
        common = partial(describe, film, subtitles, captioner, out_dir=out_dir, progress=progress, text=False)
        unnamed, description = common(cast="none"), common(cast=cast)
    say(f"With a cast, whose portraits are stills ({cast.name}):")
    say_script(description.script)
    say()
    say("Without a cast:")
    say_script(unnamed.script)
    say()
    show(film, description)
    listen(out_dir, film.stem)
    say(f"Next: calvin studio {out_dir}, to hear, correct and deliver it in the browser")


def say_script(script: Script) -> None:
    for cue in script.cues:
        start, end = format_timecode(cue.span.start_ms), format_timecode(cue.span.end_ms)
        say(f"{start} - {end}  {cue.text}{' (the film pauses)' if cue.extended else ''}")


def listen(project: Path, name: str) -> None:
    """Voice a project and mix it into its film; where no voice is installed, say how to get one."""
    from calvin.studio.sound.film_mix import mix_project
    from calvin.studio.sound.voiced_cues import voice_project

    with ProgressView() as progress:
        try:
            voiced = voice_project(project, listener=progress)
        except MissingExtraError as missing:
            warn(f"To hear it: {missing}")
            return
        mixes = [mix_project(project, project / f"{name}.ad.mkv", listener=progress)]
        if mixes[0].left_out:
            mixes.append(mix_project(project, project / f"{name}.extended.mkv", extended=True, listener=progress))
    warn_all(voiced.on_lengths())
    for report in mixes:
        pausing = f" (the film pauses {counted(report.pauses, 'time')})" if report.pauses else ""
        say(f"  {report.files[0]}: {report.cues} cues{pausing}; play it with its second sound track")
