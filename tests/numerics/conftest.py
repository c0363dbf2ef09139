from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads than free cores wait for each other
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
