"""Work in processes of its own: how far it is, how it ends, and that none of it outlives the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.testclient import TestClient

from calvin.page import errands
from calvin.page.event_stream import MOST_PAGES, Events
from calvin.page.replies import Refusal
from calvin.page.worker_link import DIED, WorkerLink
from calvin.page.workshop import Workshop
from calvin.studio.project.store import ProjectStore
from own_loop import run_apart

PATIENCE_S = 240.0
"""Machines that are busy take long to start a process."""


def wait(until: Callable[[], Any], why: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := until()):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)
    return found


def ended(client: TestClient, pid: str) -> dict[str, Any]:
    def last() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/api/p/{pid}/jobs").json()[-1]
        return job if job["state"] != "running" else None

    found: dict[str, Any] = wait(last, "the job does not end")
    return found


def test_an_export_is_a_job_whose_files_can_be_taken_away(client: TestClient, pid: str) -> None:
    begun = client.post(f"/api/p/{pid}/jobs", json={"kind": "export", "formats": ["vtt", "csv"]})
    assert begun.status_code == 202
    assert begun.json()["job"]["state"] == "running"
    done = ended(client, pid)
    assert (done["state"], done["fraction"], done["result"]["files"]) == ("done", 1.0, ["film.vtt", "film.csv"])
    found = {one["name"]: one["url"] for one in client.get(f"/api/p/{pid}/downloads").json()}
    assert client.get(found["film.vtt"]).text.startswith("WEBVTT")


def test_one_job_at_a_time_and_edits_wait_for_it(client: TestClient, workshop: Workshop, pid: str) -> None:
    version = client.get(f"/api/p/{pid}/rows").json()["rows"][0]["version"]
    edit = {"op": "delete", "key": "cue-1", "version": version}
    client.post(f"/api/p/{pid}/jobs", json={"kind": "export", "formats": ["vtt"]})
    second = client.post(f"/api/p/{pid}/jobs", json={"kind": "proxy"})
    refused = client.post(f"/api/p/{pid}/edits", json=edit)
    assert (second.status_code, refused.status_code) == (423, 423)
    assert "Exporting" in refused.json()["error"]
    assert client.get(f"/api/p/{pid}/rows").status_code == 200, "reading goes on"
    ended(client, pid)
    assert client.post(f"/api/p/{pid}/edits", json=edit).status_code == 200


def test_a_job_that_fails_says_why(client: TestClient, root: Path, pid: str) -> None:
    client.post(f"/api/p/{pid}/jobs", json={"kind": "rewrite"})
    failed = ended(client, pid)
    assert failed["state"] == "failed"
    assert "There is no adapter yet" in failed["said"]


def test_a_job_that_is_stopped_leaves_the_project_whole_and_free(client: TestClient, root: Path, pid: str) -> None:
    before = client.get(f"/api/p/{pid}/rows").json()
    number = client.post(f"/api/p/{pid}/jobs", json={"kind": "describe"}).json()["job"]["id"]
    stopped = client.delete(f"/api/p/{pid}/jobs/{number}").json()["job"]
    assert stopped["state"] == "stopped"
    assert "kept" in stopped["said"]
    with ProjectStore(root / "film.calvin") as store:
        assert len(store.cues) == 4
    assert client.get(f"/api/p/{pid}/rows").json() == before
    assert client.delete(f"/api/p/{pid}/jobs/99").status_code == 404


def test_a_film_gets_a_project_with_empty_places(
    client: TestClient, root: Path, make_film: Callable[..., Path]
) -> None:
    """By hand and without a model: the places in the gaps are there to be written."""
    make_film(root / "new.mp4", seconds=(3.0, 3.0))
    [film] = client.get("/api/projects").json()["films"]
    begun = client.post("/api/projects", json={"fid": film["fid"], "empty": True})
    assert begun.status_code == 202
    pid = begun.json()["pid"]
    assert pid == film["pid"]
    done = ended(client, pid)
    assert done["state"] == "done", done
    found = client.get(f"/api/p/{pid}/rows").json()["rows"]
    assert found
    assert {row["status"] for row in found} == {"empty"}
    write = {"op": "write", "place": found[0]["place"], "text": "A block moves across the picture."}
    assert client.post(f"/api/p/{pid}/edits", json=write).status_code == 200
    assert [one["title"] for one in client.get("/api/projects").json()["projects"]] == ["film", "new"]


def test_a_project_that_could_not_be_made_says_why_in_the_list(client: TestClient, root: Path) -> None:
    (root / "torn.mp4").write_bytes(b"This is no film.")
    [film] = client.get("/api/projects").json()["films"]
    pid = client.post("/api/projects", json={"fid": film["fid"], "empty": True}).json()["pid"]
    failed = ended(client, pid)
    assert failed["state"] == "failed"
    [film] = client.get("/api/projects").json()["films"]
    assert film["job"]["said"] == failed["said"], "also for a page that is opened only now"
    assert "torn.mp4" in failed["said"]


def test_a_film_that_no_browser_plays_gets_a_copy(client: TestClient, root: Path, pid: str) -> None:
    """In place of the film, the page is given the copy; the film stays as it is."""
    import av

    film, other = root / "film.mp4", root / "film.mkv"
    with av.open(str(film)) as source, av.open(str(other), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    before = other.read_bytes()
    with ProjectStore(root / "film.calvin") as store:
        row = store.bound_film()
        with store.together():
            store._db.execute(
                "UPDATE film SET path = ?, facts = json_set(facts, '$.bytes', ?)", (str(other), len(before))
            )
        assert row.path != store.bound_film().path
    found = client.get(f"/api/p/{pid}").json()["film"]
    assert found["state"] == "needs-proxy"
    assert "Matroska" in found["why"]
    assert client.get(f"/media/p/{pid}/film").status_code == 409
    client.post(f"/api/p/{pid}/jobs", json={"kind": "proxy"})
    assert ended(client, pid)["state"] == "done"
    assert client.get(f"/api/p/{pid}").json()["film"]["state"] == "proxy-ready"
    answer = client.get(f"/media/p/{pid}/film", headers={"range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, b"ftyp")
    assert other.read_bytes() == before


@pytest.fixture
def link() -> Iterator[WorkerLink]:
    found = WorkerLink()
    yield found
    found.end()


def asked(link: WorkerLink, errand: dict[str, Any]) -> dict[str, Any]:
    reports: list[dict[str, Any]] = []
    link.send(errand, reports.append)
    wait(lambda: reports and "progress" not in reports[-1], "no report")
    return reports[-1]


def test_a_worker_does_one_errand_after_another(link: WorkerLink, root: Path) -> None:
    errand = {"kind": "export", "folder": str(root / "film.calvin"), "options": {"formats": ["nonsense"]}}
    assert "choose from" in asked(link, errand)["failed"]
    errand["options"] = {"formats": ["srt"]}
    assert asked(link, errand)["done"]["files"] == ["film.srt"]


def test_a_worker_that_is_killed_is_missed(link: WorkerLink, root: Path) -> None:
    reports: list[dict[str, Any]] = []
    link.send({"kind": "describe", "folder": str(root / "film.calvin"), "options": {}}, reports.append)
    os.kill(link.pid, signal.SIGKILL)
    wait(lambda: reports, "nobody noticed")
    assert reports == [DIED]
    assert not link.alive


def test_a_worker_ends_with_its_server(root: Path) -> None:
    """Also when that is killed: nothing works on unseen, with the project's lock."""
    code = (
        "import sys, time; from calvin.page.worker_link import WorkerLink; link = WorkerLink(); "
        f"link.send({{'kind': 'describe', 'folder': {str(root / 'film.calvin')!r}, 'options': {{}}}}, print); "
        "print(link.pid, flush=True); time.sleep(600)"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    worker = psutil.Process(int(server.stdout.readline()))
    server.kill()
    server.wait()
    server.stdout.close()
    wait(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker lives on")


def test_what_goes_wrong_in_a_worker_is_a_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(errands, "_find", lambda kind: broken)
    report = errands.run({"kind": "mix", "folder": str(root), "options": {}}, lambda event: None)
    assert report["status"] == 503
    assert "ZeroDivisionError" in report["failed"]


def test_events_reach_every_page_and_end_with_goodbye() -> None:
    async def story() -> list[list[str]]:
        events = Events()
        heard: list[list[str]] = [[], []]

        async def listen(lines: list[str]) -> None:
            async for line in events.stream("p", [{"type": "hello"}]):
                lines.append(line.decode())

        tasks = [asyncio.create_task(listen(lines)) for lines in heard]
        while events.pages("p") < 2:
            await asyncio.sleep(0.01)
        events.tell("p", {"type": "said", "text": "Grüße"})
        events.tell("other", {"type": "said", "text": "not here"})
        await asyncio.sleep(0.01)
        events.close()
        await asyncio.gather(*tasks)
        assert events.pages("p") == 0
        return heard

    for lines in run_apart(story()):
        told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        assert told == [{"type": "hello"}, {"type": "said", "text": "Grüße"}, {"type": "bye"}]


def test_a_page_that_does_not_read_is_dropped_and_too_many_are_refused() -> None:
    async def story() -> None:
        events = Events()
        streams = [events.stream("p", []) for _ in range(MOST_PAGES)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(Refusal, match="close some"):
            await anext(events.stream("p", []))
        for number in range(1001):
            events.tell("p", {"type": "said", "text": str(number)})
        assert events.pages("p") == 0
        with pytest.raises(StopAsyncIteration):
            await anext(streams[0])

    run_apart(story())


def test_a_stop_while_the_worker_is_starting_is_carried_out(
    workshop: Workshop, root: Path, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is remembered: the worker that then comes up is sent nothing, and the project is free again."""
    may_start, started = threading.Event(), threading.Event()
    made: list[Any] = []

    class Slow:
        def __init__(self, show_errors: bool = False) -> None:
            started.set()
            assert may_start.wait(PATIENCE_S)
            self.sent, self.ended = 0, False
            made.append(self)

        def send(self, *_: Any) -> None:
            self.sent += 1

        def end(self) -> None:
            self.ended = True

    monkeypatch.setattr("calvin.page.jobs.WorkerLink", Slow)
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(workshop.events, "tell", lambda _, event: heard.append(event))

    async def story() -> list[str]:
        desk = workshop.desk(pid)
        starting = asyncio.create_task(workshop.jobs.start(desk, "describe", {}))
        await asyncio.to_thread(started.wait, PATIENCE_S)
        stopped = await workshop.jobs.stop(desk, heard[0]["job"]["id"])
        states: list[str] = [stopped.state]
        may_start.set()
        states.append((await starting).state)
        desk.check_free()
        await desk.change(lambda store: len(store.cues))
        await workshop.close()
        return states

    assert run_apart(story()) == ["stopped", "stopped"]
    assert [(one.sent, one.ended) for one in made] == [(0, True)]
    jobs = [event["job"]["state"] for event in heard if event["type"] == "job"]
    assert jobs == ["running", "stopped"], "every open page is told"


def shown_to(captioner: str, folder: Path) -> None:
    """Has a project described by a captioner, so that its page asks that one."""
    from calvin.studio.project.describe_settings import DescribeSources

    with ProjectStore(folder) as store:
        store.sources = DescribeSources(model=captioner)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A model server that takes every question and answers none: its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"openai:http://127.0.0.1:{listening.getsockname()[1]}/v1#mute"


def test_a_question_is_stopped_with_its_worker_at_once(
    client: TestClient, workshop: Workshop, root: Path, pid: str, silent_server: str
) -> None:
    """Also one that waits behind it; the next has a new worker, and the project is as it was."""
    shown_to(silent_server, root / "film.calvin")
    before = client.get(f"/api/p/{pid}/rows").json()
    answers: dict[str, Any] = {}

    def ask(number: str) -> None:
        body = {"key": "cue-2", "question": "Who?", "number": number}
        answers[number] = client.post(f"/api/p/{pid}/ask", json=body)

    asking = [threading.Thread(target=ask, args=(number,)) for number in ("first", "second")]
    asking[0].start()
    link = wait(lambda: workshop.captioner._link, "no worker")
    asking[1].start()
    wait(lambda: len(workshop.captioner._asked) == 2, "the second does not wait")
    for number, thread in zip(("second", "first"), reversed(asking), strict=True):
        assert client.delete(f"/api/p/{pid}/asked/{number}").json() == {"stopped": True}
        thread.join(PATIENCE_S)
        assert (answers[number].status_code, answers[number].json()["stopped"]) == (409, True)
        assert link.alive is (number == "second"), "what only waited has no worker to end"
    assert client.get(f"/api/p/{pid}/rows").json() == before
    assert workshop.captioner._waiting == 0


def test_a_stop_that_overtakes_its_question_is_remembered(client: TestClient, workshop: Workshop, pid: str) -> None:
    assert client.delete(f"/api/p/{pid}/asked/early").json() == {"stopped": False}
    refused = client.post(f"/api/p/{pid}/ask", json={"at_ms": 0, "question": "Who?", "number": "early"})
    assert (refused.status_code, refused.json()["stopped"]) == (409, True)
    assert workshop.captioner._link is None, "nothing was started for it"


def test_how_far_an_answer_is_is_told_to_the_page(
    client: TestClient, workshop: Workshop, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worker:
        alive = True

        def __init__(self, show_errors: bool = False) -> None:
            pass

        def send(self, errand: dict[str, Any], on_report: Callable[[dict[str, Any]], None]) -> None:
            progress = {"stage": "opening the model", "done": 2, "total": 8, "unit": "GB", "detail": "", "left_s": None}
            on_report({"progress": progress})
            on_report({"done": {"answer": f"You asked: {errand['options']['question']}", "stills": []}})

        def end(self) -> None:
            pass

    monkeypatch.setattr("calvin.page.assistants.WorkerLink", Worker)
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(workshop.events, "tell", lambda _, event: heard.append(event))
    found = client.post(f"/api/p/{pid}/ask", json={"at_ms": 0, "question": "Who?", "number": "one"})
    assert found.json()["answer"] == "You asked: Who?"
    told = [(event["number"], event["said"]) for event in heard if event["type"] == "asked"]
    assert told == [("one", "Getting ready…"), ("one", "Opening the model, 2 of 8 GB…")]
