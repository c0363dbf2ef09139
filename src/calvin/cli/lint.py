"""`calvin lint`: a script against the practice of audio description."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from calvin.cli.console import say
from calvin.core.text_tables import counted


def list_rules(wanted: bool) -> None:
    if wanted:
        from calvin.studio.script.lint import RULES

        say("\n".join(f"{name}: {rule.level}: a cue that {rule.about}" for name, rule in RULES.items()))
        raise typer.Exit


def lint(
    project: Annotated[Path, Argument(help="Project folder.", show_default=False)],
    ignore: Annotated[
        list[str] | None, Option(help="Leave out this rule, one of those that --rules lists; repeatable.")
    ] = None,
    strict: Annotated[bool, Option("--strict", help="Exit with code 1 for warnings too.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON, for other programs.")] = False,
    _rules: Annotated[
        bool, Option("--rules", help="List the rules and stop.", callback=list_rules, is_eager=True)
    ] = False,
) -> None:
    """Check that a script keeps clear of dialogue, fits the gaps, comes in time, and reads like a description.

    The exit code is 1 if there are errors, and 0 if there are only warnings. Once cues have been spoken, their measured
    length counts.

    Examples:

        calvin lint film.calvin

        calvin lint film.calvin --ignore inference --json
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.lint import Level
    from calvin.studio.script.open_places import unwritten
    from calvin.studio.script.project_lint import lint_project

    with ProjectStore(project, read_only=True) as store:
        cues, empty = store.script().cues, unwritten(store)
        found = lint_project(store, ignore or ())
    counts = Counter(finding.level for finding in found)
    if as_json:
        totals: dict[str, object] = {"errors": counts[Level.ERROR], "warnings": counts[Level.WARNING]}
        findings = [each.to_json() for each in found]
        say(json.dumps(totals | {"findings": findings}, ensure_ascii=False, indent=2))
    else:
        for finding in found:
            say(str(finding))
        errors, warnings = counted(counts[Level.ERROR], "error"), counted(counts[Level.WARNING], "warning")
        say(f"{counted(len(cues), 'cue')}: {errors}, {warnings}")
        if empty:
            say(empty)
    if counts[Level.ERROR] or (strict and found):
        raise typer.Exit(1)
