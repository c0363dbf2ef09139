"""A process that works for the page, from the server's side: an errand is sent, what it reports comes back.

The server itself loads no model and decodes nothing that was sent to it. A worker may be killed at any moment, and ends
with the server, whose end of the pipe closes then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Report = dict[str, Any]
"""`{"progress": {...}}` any number of times, then `{"done": {...}}` or `{"failed": sentence, "status": number}`."""
DIED = {
    "failed": "The work ended unexpectedly: it was killed, or there was too little memory. What was finished is kept, "
    "so start it again.",
    "status": 503,
}
_WORK = "from calvin.page.errands import serve; serve()"
_PATIENCE_S = 5.0


class WorkerLink:
    """One worker process. Errands are done one after another; `on_report` is called in a thread of the link."""

    def __init__(self, show_errors: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if show_errors else subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # Ctrl-C in the terminal is for the server, which then ends its workers.
            start_new_session=True,
        )
        self._listener: Callable[[Report], None] | None = None
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, errand: dict[str, Any], on_report: Callable[[Report], None]) -> None:
        """Send an errand. The last report says how it ended, also where the process dies."""
        with self._lock:
            assert self._listener is None, "errands are done one after another"
            self._listener = on_report
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(errand) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self._tell(DIED)

    def end(self) -> None:
        """End the process, whatever it is at."""
        with suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError, OSError):  # closed
            for line in self._process.stdout:
                with suppress(ValueError):
                    self._tell(json.loads(line))
        self._tell(DIED)

    def _tell(self, report: Report) -> None:
        with self._lock:
            listener = self._listener
            if "progress" not in report:
                self._listener = None
        if listener is not None:
            listener(report)
