"""What this machine can hold and how fast it is, to tell which models it can run and how long an hour of film takes.

The time is an estimate from two measurements of a blink each: multiplications a second, which looking and reading take,
and bytes read from memory a second, which writing takes. A part of P parameters does 2 P operations for each patch of a
still or token of a prompt, and a model reads all its parameters for each token that it writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CUES = 320
"""In an hour of film: MAD (CVPR 2022) holds 384,600 sentences of audio description for 1,207 hours."""
PATCHES = 16 * 1024
"""16 stills, as SmolVLM2 takes them apart; most others take fewer."""
PROMPT_TOKENS = 1500
"""16 stills of some 80 tokens each, and the words."""
ANSWER_TOKENS = 30
RUNTIME = 1_000_000_000
"""Bytes that Python, torch and the film take beside a model."""
WORKING = 1.2
"""What a model takes when it works, for each byte of its weights."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes, and speed: operations and bytes a second. `gpu` is the free memory of the GPU (0: none)."""

    memory: int
    free: int
    gpu: int
    operations: float
    bytes_read: float

    @property
    def precision(self) -> int:
        """Bytes for each parameter: models are loaded in half precision on a GPU, else in full (`video_llm._how`)."""
        return 2 if self.gpu else 4

    def needed(self, parameters: int, four_bit: bool = False) -> int:
        """Bytes that a model takes while it describes."""
        return round(parameters * (0.6 if four_bit else self.precision) * WORKING) + RUNTIME

    def holds(self, needed: int) -> bool:
        return needed <= self.free + self.gpu

    def hour_s(self, parameters: int, seeing: int = 0) -> float:
        """Seconds for the captions of an hour of film, roughly; `seeing` of the parameters are the vision tower's."""
        reading = 2 * (seeing * PATCHES + (parameters - seeing) * PROMPT_TOKENS) / self.operations
        writing = ANSWER_TOKENS * parameters * self.precision / self.bytes_read
        return CUES * (reading + writing)


@cache
def this_machine() -> Machine:
    """This machine, measured once a process."""
    import psutil

    memory = psutil.virtual_memory()
    gpu = _gpu()
    operations, bytes_read = _gpu_speed() if gpu else _cpu_speed()
    return Machine(memory.total, memory.available, gpu, operations, bytes_read)


def _gpu() -> int:
    """Free memory of the first GPU in bytes. torch, which is slow to load, is asked only where there is a driver."""
    if not Path("/proc/driver/nvidia").exists():
        return 0
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else 0


def _cpu_speed() -> tuple[float, float]:
    import numpy as np

    square, row = np.ones((1024, 1024), np.float32), np.ones(1 << 24, np.float32)
    return 2 * 1024**3 / _best(lambda: square @ square), row.nbytes / _best(row.sum)


def _gpu_speed() -> tuple[float, float]:
    import torch

    square = torch.ones(4096, 4096, dtype=torch.bfloat16, device="cuda")
    row = torch.ones(1 << 26, dtype=torch.bfloat16, device="cuda")

    def waited(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            work()
            torch.cuda.synchronize()

        return run

    size = row.numel() * row.element_size()
    return 2 * 4096**3 / _best(waited(lambda: square @ square)), size / _best(waited(row.sum))


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of four runs; the first also wakes threads and caches."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return max(min(times), 1e-6)


def gigabytes(count: float) -> str:
    """'14 MB', '3.2 GB'."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
