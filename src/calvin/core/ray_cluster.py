"""Joining a Ray cluster, or starting one on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calvin.core.errors import CalvinError, MissingExtraError


@contextmanager
def joined_cluster(what: str, processors: int) -> Iterator[Any]:
    """The module `ray`, joined to the cluster of RAY_ADDRESS, else to one of so many `processors` on this machine.

    One that this process has joined before is used and left as it is.

    Args:
        what: who needs it, as the subject of a sentence.

    Raises:
        MissingExtraError: Ray is not installed.
        CalvinError: no cluster can be started or reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(what, "cluster") from error
    own = not ray.is_initialized()
    if own:
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": processors}
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
        except Exception as error:  # Ray raises this bare class where its processes are slow to come up
            ray.shutdown()
            raise CalvinError(
                f"Ray cannot be started or reached ({' '.join(str(error).split())[:200]}): try again, name a running "
                "cluster in RAY_ADDRESS, or leave --ray out."
            ) from error
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()
