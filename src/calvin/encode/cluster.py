"""The parts of `prepare` on a Ray cluster: Ray Data spreads them and makes anew what a lost worker had in hand."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from calvin.core.errors import CalvinError, MissingExtraError
from calvin.encode.parts import Part, Plan, Worker


def make_on_cluster(plan: Plan, parts: list[Part], workers: int, on_made: Callable[[str], None]) -> None:
    """Make the parts with `workers` actors of one processor (and one GPU, where the cluster has any) each.

    Joins the cluster of RAY_ADDRESS, else starts one on this machine. All its machines must see the media, the tower
    and the output folder under the same paths.

    Raises:
        MissingExtraError: Ray is not installed.
        CalvinError: no cluster can be started or reached.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("Preparing with Ray", "cluster") from error
    own = not ray.is_initialized()
    if own:
        local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers + 1}
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", **local)
        except Exception as error:  # Ray raises this bare class where its processes are slow to come up
            ray.shutdown()
            raise CalvinError(
                f"Ray cannot be started or reached ({' '.join(str(error).split())[:200]}): try again, name a running "
                "cluster in RAY_ADDRESS, or leave --ray out."
            ) from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        by_name = {part.name: part for part in parts}
        rows = ray.data.from_items([{"name": name} for name in by_name], override_num_blocks=len(by_name))
        made = rows.map(
            _Maker,
            fn_constructor_args=(plan, by_name),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
            num_cpus=1,
            num_gpus=1 if ray.cluster_resources().get("GPU") else 0,
        )
        for row in made.iter_rows():
            on_made(str(row["name"]))
    finally:
        if own:
            ray.shutdown()


class _Maker:
    """A `Worker` as Ray Data calls it."""

    def __init__(self, plan: Plan, parts: dict[str, Part]) -> None:
        self._parts, self._worker = parts, Worker(plan)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"name": self._worker(self._parts[row["name"]])}
