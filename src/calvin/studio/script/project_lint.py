"""What lint finds in a project: its script, checked by what the project knows of film, voice and dialogue."""

from __future__ import annotations

from collections.abc import Iterable

from calvin.captioners.people_names import speaker_names
from calvin.studio.project.status import measured_ms
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength, MeasuredLength
from calvin.studio.script.lint import Finding, LintSettings, lint
from calvin.studio.script.script_files import project_plan


def lint_project(store: ProjectStore, ignore: Iterable[str] = ()) -> list[Finding]:
    """What in the script of a project breaks a rule, in time order.

    Args:
        ignore: names of rules to leave out.

    Raises:
        StoreError: the project has no film yet.
        UsageError: there is no such rule.
    """
    script, lines = store.script(), store.dialogue
    measured, settings = measured_ms(store), lint_settings(store)
    known = {cue.text: measured[cue.id] for cue in script.cues if cue.id in measured}
    spoken = MeasuredLength(known, EstimatedLength(settings.words_per_minute))
    speakers = speaker_names(line.speaker for line in lines)
    spans = [line.span for line in lines]
    return lint(script, spans, settings, spoken, ignore, speakers, store.shots, store.places_of_cues())


def lint_settings(store: ProjectStore) -> LintSettings:
    """The times that a project was planned by, as lint takes them."""
    plan, described = project_plan(store), store.described
    values = {"guard_ms": plan.guard_ms, "min_gap_ms": plan.min_gap_ms}
    if described is not None:
        values["words_per_minute"] = described.words_per_minute
    return LintSettings.load(values, "project")
