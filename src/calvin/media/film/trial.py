"""Films are tried in a process of their own before they are decoded: some take down whatever decodes them.

A decoder that aborts ends the interpreter, and with it whatever else the command had to do. The process that tries
films is started with the first one and kept, as starting it takes longer than trying a clip.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from calvin.core.errors import CalvinError, MediaError
from calvin.media.film.reader import FilmReader
from calvin.media.film.source import MediaLimits, choose_audio, mono_tracks, probe

_FRAMES = 50
_LONGEST_S = 60
_SERVER = "from calvin.media.film.trial import serve; serve()"


def check_survivable(film: Path, sound: bool = False) -> None:
    """Let another process open a film and decode its beginning, and its `sound` where that is wanted.

    What is wrong with a film in any other way is left to be said by those who open it.

    Raises:
        MediaError: that process died or hung.
    """
    global _trial  # noqa: PLW0603  one for each process, also for those that were forked
    if _trial is None or _trial.owner != os.getpid():
        _trial = _Trial()
        atexit.register(_trial.end)
    try:
        _trial.decode(film, sound)
    except (OSError, EOFError, queue.Empty) as error:
        started = _trial.started
        _trial.end()
        _trial = None
        if started:
            raise MediaError(
                f"{film} takes its decoder down or hangs it: convert it, for example with HandBrake, and give that."
            ) from error


class _Trial:
    """The process that tries films. `started`: it has come up, so that what happens to it is due to a film."""

    def __init__(self) -> None:
        self.owner, self.started = os.getpid(), False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=_pour, args=(self._process.stdout, self._answers), daemon=True)
        self._reader.start()

    def decode(self, film: Path, sound: bool) -> None:
        """
        Raises:
            EOFError, OSError, queue.Empty: the process died, could not be reached or hung.
        """
        if not self.started:
            self._answer()
            self.started = True
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(film.absolute()), sound]) + "\n")
        self._process.stdin.flush()
        self._answer()

    def end(self) -> None:
        if self.owner != os.getpid():
            return
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent any more
                if pipe is not None:
                    pipe.close()

    def _answer(self) -> None:
        if not self._answers.get(timeout=_LONGEST_S):
            raise EOFError


_trial: _Trial | None = None


def _pour(stream: IO[str], answers: queue.Queue[str]) -> None:
    with suppress(ValueError):  # closed
        for line in stream:
            answers.put(line)
    answers.put("")


def serve() -> None:
    """The process: a film a line comes in, a line for each that was survived goes out, until there are no more.

    It ends with its parent, whose end of the pipe closes then.
    """
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        with suppress(CalvinError, Exception):
            film, sound = json.loads(line)
            _decode_beginning(Path(film), sound)
        print("survived", file=answers, flush=True)


def _decode_beginning(film: Path, sound: bool) -> None:
    tracks = probe(film, fingerprint=False).audio_streams if sound else ()
    chosen = choose_audio(tracks)
    heard = mono_tracks(tracks, chosen) or ([chosen] if chosen else [])
    frames = FilmReader(film, MediaLimits(), {track.index: lambda *_: None for track in heard})
    for _ in itertools.islice(frames, _FRAMES):
        pass
