"""The scenes that are picked to be corrected: which they are, and which of them wait, as the project changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from calvin.core.progress import silent
from calvin.page import errands
from calvin.page.picks import PICKS, pick
from calvin.studio.adapt import scene_picks
from calvin.studio.adapt.scene_picks import Pick
from calvin.studio.project.store import ProjectStore


@pytest.fixture
def picked(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of which two drafts and the empty place are picked, without the frame vectors that choosing takes."""

    def choose(store: ProjectStore, count: int | None = None) -> list[Pick]:
        cues = {cue.visual: cue for cue in store.cues}
        plans = [store.plans[0], store.plans[2], store.plans[3]][:count]
        return [Pick(plan, cues.get(plan.visual), f"reason {plan.id}") for plan in plans]

    monkeypatch.setattr(scene_picks, "pick_scenes", choose)
    folder = root / "film.calvin"
    assert pick(folder, {}, silent)["said"].startswith("3 scenes picked")
    return folder


def shown(client: TestClient, pid: str) -> dict[str, bool]:
    return {one["key"]: one["corrected"] for one in client.get(f"/api/p/{pid}/picks").json()["picks"]}


def edit(client: TestClient, pid: str, **values: Any) -> Any:
    rows = {row["key"]: row["version"] for row in client.get(f"/api/p/{pid}/rows?light=1").json()["rows"]}
    if "key" in values:
        values["version"] = rows[values["key"]]
    answer = client.post(f"/api/p/{pid}/edits", json=values)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_picks_are_counted_off_as_they_are_corrected(client: TestClient, picked: Path, pid: str) -> None:
    assert shown(client, pid) == {"cue-1": False, "cue-3": False, "place-4": False}
    first = client.get(f"/api/p/{pid}/picks").json()["picks"][0]
    assert first == {"key": "cue-1", "text": "A man walks 1.", "start_ms": 0, "why": "reason 1", "corrected": False}
    edit(client, pid, op="approve", key="cue-1")
    assert shown(client, pid)["cue-1"], "approved as it is"
    edit(client, pid, op="text", key="cue-3", text="A man runs.")
    written = edit(client, pid, op="write", place=4, text="A door shuts.")["focus"]
    assert shown(client, pid) == {"cue-1": True, "cue-3": True, written: True}, "and the place is a cue now"
    client.post(f"/api/p/{pid}/undo", json={})
    assert shown(client, pid) == {"cue-1": True, "cue-3": True, "place-4": False}


def test_a_pick_whose_draft_was_deleted_is_the_place_again(client: TestClient, picked: Path, pid: str) -> None:
    edit(client, pid, op="delete", key="cue-3")
    assert shown(client, pid) == {"cue-1": False, "place-3": False, "place-4": False}


def test_picks_are_those_that_were_picked_last(client: TestClient, picked: Path, pid: str) -> None:
    pick(picked, {"count": 1}, silent)
    assert shown(client, pid) == {"cue-1": False}


@pytest.mark.parametrize("text", ["", "[", "{}", '[{"place": 1}]', '[{"place": 1, "visual": [9, 1], "span": [0, 1]}]'])
def test_picks_that_cannot_be_read_are_none(client: TestClient, picked: Path, pid: str, text: str) -> None:
    (picked / PICKS).write_text(text)
    assert shown(client, pid) == {}


def test_a_project_without_frame_vectors_says_so(root: Path) -> None:
    report = errands.run({"kind": "pick", "folder": str(root / "film.calvin"), "options": {}}, lambda event: None)
    assert "holds no frame vectors" in report["failed"]
