// What can be done, by name: the same for keys and for buttons.

import { Refused, Unreachable, call } from "./api.js";
import { showFind } from "./find.js";
import { confirmDialog, openDialog } from "./dialogs.js";
import { el } from "./dom.js";
import { storedOrHeld } from "./held.js";
import { showAsk, showHistory, showWordings } from "./moment.js";
import { bringIn, record } from "./record.js";
import { say, speaker } from "./say.js";
import { count, isEmpty, isProblem, isUnapproved, title } from "./words.js";

/**
 * An action that leads somewhere once an answer is there. `make(go)` gives the action; its `go` does not take the focus
 * from where somebody has moved it meanwhile, who would then type or press Enter in a row they have not chosen.
 */
export const leading = (go, make) => (...values) => {
  const before = document.activeElement;
  const rowOf = (node) => node?.closest("[data-key]");
  return make((...where) => {
    const now = document.activeElement;
    const stayed = now === before || now === document.body || (rowOf(now) && rowOf(now) === rowOf(before));
    if (stayed || !before?.isConnected) go(...where);
  })(...values);
};

/** Actions over the current row. `go(key, {start, end}?)` puts the focus into the text of a row. */
export function makeActions({ project, list, film, go }) {
  const row = (key) => project.byKey.get(key);

  /** Does something with the cue of a key, or says that none is chosen. */
  const withCue = (act) => async (key, ...values) => {
    let found = row(key);
    if (!found) return say("Go to a row first.");
    if (!found.cue && project.textOf(key).trim()) found = (await project.written(key)) ?? found;
    if (!found.cue) return say("This place is empty: write something into it first.");
    return act(found, ...values);
  };
  const withRow = (act) => (key, ...values) => (row(key) ? act(row(key), ...values) : say("Go to a row first."));
  const edit = (op, more) => withCue((found, ...values) => project.edit({ op, key: found.key, ...more?.(...values) }));

  function step(by) {
    return (key) => {
      const { rows } = project;
      const index = rows.findIndex((one) => one.key === key);
      const next = rows[index < 0 ? 0 : index + by];
      if (next) return go(next.key);
      if (rows.length) go(key); // from a button elsewhere on the page, it is where the key leads
      return say(by > 0 ? "This is the last row." : "This is the first row.");
    };
  }

  /** The next row that fits, and after the last one the first. */
  function jump(fits, words) {
    return leading(go, (lead) => async (key) => {
      await project.settled();
      if (!project.complete && fits === isProblem) await project.refresh().catch(() => {});
      const { rows } = project;
      const index = rows.findIndex((one) => one.key === key);
      const order = [...rows.slice(index + 1), ...rows.slice(0, index + 1)];
      const next = order.find(fits);
      if (!next) return say(`There is no ${words}.`);
      if (next.key === key) say(`This is the only ${words}.`);
      else if (rows.indexOf(next) < index) say("Going on from the beginning.");
      return lead(next.key);
    });
  }

  const approve = leading(go, (lead) => withCue(async (found) => {
    if (!project.textOf(found.key).trim()) return say("A cue needs words: write some, or delete the cue.");
    if (found.status !== "approved") {
      const outcome = await project.edit({ op: "approve", key: found.key });
      if (!outcome) return;
    } else {
      say("It is approved already.");
    }
    const { rows } = project;
    const index = rows.findIndex((one) => one.key === found.key);
    const next = [...rows.slice(index + 1), ...rows.slice(0, index)].find(isUnapproved);
    if (next) lead(next.key);
    else say("Every cue is approved.");
  }));

  const split = leading(go, (lead) => withCue(async (found) => {
    const field = list.item(found.key)?.text;
    const at = field?.selectionStart ?? 0;
    const text = project.textOf(found.key);
    if (!text.slice(0, at).trim() || !text.slice(at).trim()) return say("Put the cursor between two words first.");
    await project.settled();
    const outcome = await project.edit({ op: "split", key: found.key, at });
    if (outcome?.focus) lead(outcome.focus);
  }));

  const insert = leading(go, (lead) => withRow(async (found) => {
    const outcome = await project.edit({ op: "insert", start_ms: found.end_ms });
    if (outcome?.focus) lead(outcome.focus);
  }));

  const following = (op, more) => leading(go, (lead) => withCue(async (found, ...values) => {
    await project.settled();
    const outcome = await project.edit({ op, key: found.key, ...more?.(project.byKey.get(found.key) ?? found, ...values) });
    if (outcome?.focus) lead(outcome.focus);
  }));

  const nextCue = (found) => project.rows.slice(project.rows.indexOf(found) + 1).find(({ cue }) => cue);

  const unrecord = withCue(async (found) => {
    const text = "The cue is then spoken by the synthetic voice again. Undo brings the recording back.";
    if (!(await confirmDialog("Remove the recording?", text, "Remove it"))) return;
    try {
      await call("DELETE", project.at(`/recordings/${encodeURIComponent(found.cue)}`));
      say("The recording is removed.");
      await project.refresh();
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      say(error.message);
    }
  });

  const dialogOf = (show) => withCue(async (found, ...values) => {
    film.stop();
    await show(found, ...values);
  });

  const hear = (kind) => withRow(async (chosen) => {
    const isTyped = !chosen.cue && project.textOf(chosen.key).trim();
    const held = isTyped && (await storedOrHeld(project, film.jobs));
    if (held) return say(`${held} What you typed here is not stored yet, so it cannot be heard until that has ended.`);
    const found = isTyped ? ((await project.written(chosen.key)) ?? chosen) : chosen;
    if (kind !== "gap" && !found.cue) return say("This place is empty: there is nothing to hear.");
    return film.hear(kind, found);
  });

  const stepBack = (name, none) => leading(go, (lead) => async () => {
    const outcome = await project[name]();
    if (outcome?.focus) lead(outcome.focus);
    else if (outcome && !outcome.changed.length && !outcome.removed.length && !outcome.said) say(none);
  });

  const atPlayhead = (side) => withCue((found) => {
    if (!film.hasPlayhead) return say(film.noPlayhead);
    return project.edit({ op: "times", key: found.key, [side]: film.playhead });
  });

  const actions = {
    next: step(1),
    previous: step(-1),
    nextProblem: jump(isProblem, "problem"),
    nextUnapproved: jump(isUnapproved, "cue that is not approved"),
    nextEmpty: jump(isEmpty, "empty place"),
    approve,
    split,
    insert,
    merge: following("merge", (found) => ({ next_version: nextCue(found)?.version })),
    duplicate: following("duplicate"),
    remove: following("delete"),
    nudge: edit("nudge", (by_ms) => ({ by_ms })),
    frame: edit("nudge_frame", (frames) => ({ frames })),
    shift: edit("shift_following", (by_ms) => ({ by_ms })),
    startHere: atPlayhead("start_ms"),
    endHere: atPlayhead("end_ms"),
    show: withRow((found) => film.show(found)),
    playFrom: withRow((found) => film.playFrom(found)),
    hearMix: hear("mix"),
    hearGap: hear("gap"),
    hearVoice: hear("voice"),
    hearRecording: hear("recording"),
    stop: () => film.stop(),
    again: withRow((found) => (film.stop(), showWordings(project, found))),
    ask: withRow((found) => (film.stop(), showAsk(project, found, film))),
    history: dialogOf((found) => showHistory(project, found)),
    record: dialogOf(async (found) => {
      await project.settled();
      await record(project, film, project.byKey.get(found.key) ?? found);
      await project.refresh().catch(() => {});
    }),
    bringIn: dialogOf(async (found) => {
      await bringIn(project, found);
      await project.refresh().catch(() => {});
    }),
    unrecord,
    undo: stepBack("undo", "There is nothing to undo."),
    redo: stepBack("redo", "There is nothing to redo."),
    find: () => showFind(project, go, String(getSelection()).slice(0, 100).split("\n")[0]),
    sayAgain: () => speaker.again(),
  };
  Object.assign(actions, {
    earlier: (key) => actions.nudge(key, -250),
    later: (key) => actions.nudge(key, 250),
    frameEarlier: (key) => actions.frame(key, -1),
    frameLater: (key) => actions.frame(key, 1),
  });
  return actions;
}

/** Approves every cue, after a question that says how many. */
export async function approveAll(project) {
  await project.settled();
  const open = project.rows.filter((row) => isUnapproved(row) && row.status !== "needs-work");
  if (!open.length) return say("Every cue is approved already, or marked as needing work.");
  const problems = open.filter(isProblem);
  const known = problems.length ? ` ${count(problems.length, "of them has", "of them have")} something that the checks found.` : "";
  const text = `${count(open.length, "cue")} will be approved; no model changes them from then on. Those that need work are left out.${known} Undo takes it back.`;
  if (await confirmDialog("Approve all cues?", text, "Approve all")) await project.edit({ op: "approve", keys: "all" });
}

/** What was refused in general, where no row can show it. */
export function sayRefused({ key, words }, list, project) {
  const item = key ? list.item(key) : null;
  item?.complain(words);
  const index = project.rows.findIndex((row) => row.key === key);
  say(index >= 0 ? `${title(project.rows[index], index, project.rows.length)}: ${words}` : words);
}

/** Everything typed that cannot be sent now, to be copied by hand. */
export function showUnsent(project) {
  const text = project.unsentTexts().map(({ at_ms, text: words }) => `${(at_ms / 1000).toFixed(3)}\t${words}`).join("\n");
  openDialog("What is not sent yet", [
    el("p", { text: "Seconds and text of each row. Copy it to keep it whatever happens." }),
    el("textarea", { "aria-label": "Not sent yet", rows: "10", readonly: true, value: text || "Everything is sent." }),
  ], [["Close", null, true]], { wide: true });
}
