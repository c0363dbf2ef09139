"""`calvin reproduce`: a table or figure of the paper, from its runs to its verdicts."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say, warn
from calvin.cli.evaluate import check_names, metric_names
from calvin.core.errors import UsageError

if TYPE_CHECKING:
    from calvin.lab.reproduce.targets import Wanted

TARGETS = ("table1", "table2", "table3", "table4", "figure8", "figure9", "figure10")


def reproduce(
    target: Annotated[str, Argument(help=f"What to reproduce: {', '.join(TARGETS)}.", show_default=False)],
    on: Annotated[
        str | None, Option("--on", help="puppets: films that are drawn for it.", show_default="puppets")
    ] = None,
    data: Annotated[
        Path | None, Option("--data", "-d", help="Your data file instead, with its table [evaluation].")
    ] = None,
    model: Annotated[str | None, Option("--model", "-m", help="The CALVIN.", show_default="bundled")] = None,
    seeds: Annotated[
        int | None, Option(min=1, help="Runs of each row, each with its own seed.", show_default="3")
    ] = None,
    rows: Annotated[str | None, Option(help="Only these rows, by key, with commas.", show_default="all")] = None,
    films: Annotated[int | None, Option(min=2, help="Held-out puppet films to score on.", show_default="25")] = None,
    captioner: Annotated[
        list[str] | None,
        Option("--captioner", help="table2: a further row, as `calvin evaluate` takes models; may be repeated."),
    ] = None,
    metrics: Annotated[
        str | None, Option(help="As in `calvin score`, with cider.", show_default="cider,rouge,bertscore")
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="Change a setting of all training, as in `calvin train`."),
    ] = None,
    launch: Annotated[
        str | None, Option(help="With --data: what starts training in place of python.", show_default="python")
    ] = None,
    part: Annotated[str | None, Option(help="K/N: only the K-th of N shares of the runs.")] = None,
    ray: Annotated[bool, Option("--ray", help="Share the runs with Ray, on RAY_ADDRESS or here.")] = False,
    plan: Annotated[bool, Option("--plan", help="Print the runs with hours and memory, and stop.")] = False,
    out: Annotated[
        Path | None, Option("--out", "-o", help="Folder of runs and report.", show_default="runs/reproduce/TARGET")
    ] = None,
    yes: YES = False,
) -> None:
    """Make a table or figure of the paper again, and say of each of its orderings whether it comes out.

    Without --data everything is made of puppet films, which are drawn from seeds: table1 and table3 train a small model
    for each row and seed, figure8 and table2 (and table1 with --model) train none. table4, figure9 and figure10 tune
    the model to each of ten films. The folder gets report.md,
    report.html, results.json, the picture as PNG and SVG, and for each run its captions, scores and seed.

    A stopped command continues where it was. Several processes may be given the same folder: each takes runs that no
    other is making; on machines that cannot lock files in common, deal the runs out by --part. The report is written
    by whoever ends last, and by the same command again.

    Examples:

        calvin reproduce figure8 --seeds 1

        calvin reproduce table2 --seeds 1 --captioner openai:http://localhost:8000/v1#llava

        calvin reproduce table3 --plan

        calvin reproduce table3 --seeds 3 & calvin reproduce table3 --seeds 3

        calvin reproduce table3 --data data.toml --launch "accelerate launch --multi_gpu --num_processes 8"

        calvin reproduce figure8 --data data.toml --model my-model -o figure-8

        calvin reproduce table1 --rows none,3-scenes

        calvin reproduce table4 --seeds 1 --part 1/2

        calvin reproduce figure9 --films 5

        calvin reproduce figure10 --plan
    """
    from calvin.lab.reproduce.targets import Wanted

    if target not in TARGETS:
        raise UsageError(f"There is no {target!r} to reproduce: choose from {', '.join(TARGETS)}.")
    if on is not None and (on != "puppets" or data is not None):
        raise UsageError("--on takes puppets, and does not go with --data, which brings films of its own.")
    names = metric_names(metrics)
    check_names(metrics)
    wanted = Wanted(
        target, out or Path("runs") / "reproduce" / target, model, data, seeds, films,
        tuple(key.strip() for key in (rows or "").split(",") if key.strip()),
        None if names is None else tuple(names), opening(yes).agree, tuple(settings or ()),
        tuple(shlex.split(launch or "")), tuple(dict.fromkeys(captioner or ())),
    )  # fmt: skip
    _carry_out(wanted, part, ray, plan)


def _carry_out(wanted: Wanted, part: str | None, ray: bool, plan: bool) -> None:
    from calvin.lab.reproduce.planning import plan_of
    from calvin.lab.reproduce.targets import reproduced
    from calvin.lab.reproduce.work_shares import share_of

    if part is not None and ray:
        raise UsageError("--ray shares the runs itself: leave --part out.")
    share = share_of(part or "1/1")
    if plan:
        say(plan_of(wanted))
        return
    with ProgressView() as progress:
        findings, left = reproduced(wanted, share, ray, progress)
    say(findings.markdown())
    if left:
        warn(f"{left} runs are still to be made, by other processes or by the same command again.")
    warn(f"Written to {wanted.folder}: report.md, report.html, results.json.")
