// The editor: puts the parts together.

import { approveAll, leading, makeActions, sayRefused, showUnsent } from "./actions.js";
import { Refused, Unreachable } from "./api.js";
import { showCast } from "./cast.js";
import { showDeliver } from "./deliver.js";
import { conflictDialog } from "./dialogs.js";
import { byId, setText } from "./dom.js";
import { Film } from "./film.js";
import { Jobs, showWork } from "./jobs.js";
import { listen, showKeys } from "./keys.js";
import { VirtualList } from "./list.js";
import { nextPicked } from "./picks.js";
import { Row } from "./row.js";
import { say } from "./say.js";
import { showSettings } from "./settings.js";
import { Project } from "./state.js";
import { whenLive } from "./stream.js";
import { Timeline } from "./timeline.js";
import { count, named, title } from "./words.js";

const project = new Project(document.body.dataset.pid);
const jobs = new Jobs(project);
const film = new Film(project, jobs);
let actions = null;
const list = new VirtualList(byId("rows"), (row) => {
  const made = new Row(project, actions);
  made.node.dataset.key = row.key;
  return made;
});

/** Puts the focus into the text of a row, and chooses what lies between two places of it. */
function go(key, chosen) {
  const item = list.show(key);
  if (!item) return;
  item.text.focus({ preventScroll: true });
  if (chosen) item.text.setSelectionRange(chosen.start, chosen.end);
}

actions = makeActions({ project, list, film, go });
const timeline = new Timeline(project, film, go);
listen(actions, () => list.current);

project.on("rows", ({ all, changed = [], removed = [] }) => {
  const had = document.activeElement?.closest?.("[data-key]")?.dataset.key;
  list.setRows(project.rows);
  const counts = project.counts();
  setText(byId("counts"), project.rows.length
    ? `${count(project.rows.length, "row")}: ${counts.empty} empty, ${counts.draft} draft, ` +
      `${counts["needs-work"]} to be worked on, ${counts.approved} approved.`
    : "There is nothing yet: let the model describe the film, or insert a cue.");
  byId("rows-empty").hidden = project.rows.length > 0;
  if (all || !had || !removed.includes(had) || project.byKey.has(had)) return;
  // The row with the focus has gone: the one that stands in its place has it now.
  const next = project.byKey.get(changed[0]) ?? project.rows[0];
  if (next) go(next.key);
});
project.on("info", (info) => {
  setText(byId("title"), info.title);
  document.title = `${info.title} - calvin studio`;
});
project.on("renamed", ({ from, to }) => list.rename(from, to));
const inWords = (text) => named(text, (key) => project.byKey.get(key));
project.on("outcome", ({ outcome }) => say(inWords(outcome.said)));
project.on("idle", () => list.render());
project.on("refused", (refused) => sayRefused({ ...refused, words: inWords(refused.words) }, list, project));
project.on("said", ({ text }) => say(inWords(text)));
project.on("steps", () => {
  for (const [id, words, name] of [["undo", project.undoWords, "Undo"], ["redo", project.redoWords, "Redo"]]) {
    setText(byId(id), words ? `${name}: ${inWords(words)}` : name);
    byId(id).setAttribute("aria-disabled", String(!words));
  }
});
project.on("trouble", (words) => {
  byId("trouble").hidden = !words;
  setText(byId("trouble-words"), words);
  say(words || "The server is back, and everything is sent.");
});

const conflicts = [];
project.on("conflict", async (conflict) => {
  conflicts.push(conflict);
  if (conflicts.length > 1) return;
  while (conflicts.length) {
    await settleConflict(conflicts[0]);
    conflicts.shift();
  }
});

async function settleConflict({ key, mine, theirs, words, at_ms }) {
  const index = project.rows.findIndex((row) => row.key === key);
  const where = index >= 0 ? title(project.rows[index], index, project.rows.length) : "A cue that is gone";
  say(`${where} was changed elsewhere meanwhile: both texts are shown.`);
  const kept = await conflictDialog({ mine, theirs, where, words });
  if (kept !== null && theirs) {
    project.type(key, kept);
    project.flush(key);
  } else if (kept !== null) {
    const outcome = await project.edit({ op: "insert", start_ms: at_ms ?? film.playhead, text: kept });
    // Where there is no room for it the text stays on the screen, to be copied or let go.
    if (!outcome) return settleConflict({ key, mine: kept, theirs, words: byId("shown-message").textContent, at_ms });
  }
  list.render();
  if (project.byKey.has(key)) go(key);
}

byId("rows").addEventListener("current", ({ detail: key }) => timeline.follow(project.byKey.get(key)));

const clicks = {
  undo: () => actions.undo(),
  redo: () => actions.redo(),
  find: () => actions.find(),
  "previous-row": () => actions.previous(list.current),
  "next-row": () => actions.next(list.current),
  "say-again": () => actions.sayAgain(),
  "next-problem": () => actions.nextProblem(list.current),
  "next-unapproved": () => actions.nextUnapproved(list.current),
  "next-empty": () => actions.nextEmpty(list.current),
  "next-picked": leading(go, (lead) => () => nextPicked(project, list.current, lead)),
  "approve-all": () => approveAll(project),
  insert: leading(go, (lead) => () => insertAtPlayhead(lead)),
  work: () => showWork(project, jobs, go),
  cast: () => showCast(project, jobs, film),
  deliver: () => showDeliver(project, jobs, go),
  settings: () => showSettings(project),
  keys: () => showKeys(),
  "stop-sound": () => film.stop(),
  "trouble-retry": () => project.retry(),
  "trouble-show": () => showUnsent(project),
};
for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);

async function insertAtPlayhead(lead) {
  if (!film.hasPlayhead) return say(film.noPlayhead);
  const outcome = await project.edit({ op: "insert", start_ms: film.playhead });
  if (outcome?.focus) lead(outcome.focus);
}

for (const name of ["ad", "film"]) {
  const slider = byId(`level-${name}`);
  slider.addEventListener("input", () => {
    film.levels[name] = Number(slider.value) / 100;
    setText(byId(`level-${name}-value`), `${slider.value} %`);
    slider.setAttribute("aria-valuetext", `${slider.value} percent`);
  });
}
byId("tones").addEventListener("change", ({ target }) => (film.levels.tones = target.checked));

addEventListener("beforeunload", (event) => {
  project.flush();
  if (project.unsent) event.preventDefault();
});
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && project.flush());

async function begin() {
  for (;;) {
    try {
      await project.load();
      break;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      byId("trouble").hidden = false;
      setText(byId("trouble-words"), error.message);
      if (error instanceof Refused && !error.passing) return;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
  byId("trouble").hidden = true;
  byId("rows").setAttribute("aria-busy", "false");
  performance.mark("first-row");
  project.follow();
  await whenLive(); // what happens from here on is heard, and what happened before is in what is asked for now
  await project.refresh();
  document.body.dataset.ready = "true";
}

begin();
