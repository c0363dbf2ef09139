// The keys. Each is the key of a button or field too. docs/studio.md says against which programs they were checked:
// no letter of a browser's own menus, nothing that a screen reader takes without its own modifier.

import { el, setAttribute } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { speaker } from "./say.js";

export const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);
const HELD = APPLE ? "Control+Shift" : "Alt";

/** [key, name of the action, what it does, group] */
export const KEYS = [
  ["J", "next", "Next row", "Move"],
  ["K", "previous", "Previous row", "Move"],
  ["P", "nextProblem", "Next problem", "Move"],
  ["U", "nextUnapproved", "Next cue that is not approved", "Move"],
  ["G", "nextEmpty", "Next empty place", "Move"],
  ["Enter", "approve", "Approve the cue and go on", "Write", "Control"],
  ["Enter", "split", "Split the cue at the cursor", "Write"],
  ["N", "insert", "Insert a cue after this one", "Write"],
  ["C", "again", "Other wordings: candidates, shorter, anew", "Write"],
  ["W", "find", "Find and replace", "Write"],
  ["Z", "undo", "Undo", "Write"],
  ["Y", "redo", "Redo", "Write"],
  ["M", "hearMix", "Hear the cue in the mix; again: stop", "Listen"],
  ["L", "hearGap", "Hear the whole gap", "Listen"],
  ["X", "playFrom", "Play the film from the cue; again: pause", "Listen"],
  ["R", "record", "Record the cue in your own voice", "Listen"],
  ["A", "ask", "Ask the film about this moment", "Listen"],
  [",", "earlier", "Move the cue 0.25 s earlier", "Time", undefined, "Comma"],
  [".", "later", "Move the cue 0.25 s later", "Time", undefined, "Period"],
  ["[", "frameEarlier", "Move the cue one frame earlier (the key right of P)", "Time", undefined, "BracketLeft"],
  ["]", "frameLater", "Move the cue one frame later (the second key right of P)", "Time", undefined, "BracketRight"],
  ["I", "startHere", "Start the cue at the playhead", "Time"],
  ["O", "endHere", "End the cue at the playhead", "Time"],
  ["Q", "sayAgain", "Say the last message again", "Help"],
].map(([key, action, words, group, held = HELD, code]) => ({ key, action, words, group, held, code }));

/** "?" outside of fields opens the list; a user whose speech input types it by mistake can turn that off. */
export const options = { questionMark: true };

export function nameOf({ held, key }) {
  return `${held}+${key}`;
}

const KEY_OF = new Map(KEYS.map((entry) => [entry.action, nameOf(entry)]));

/** What tells assistive technology, and tests, that a button does what a key does. */
export const keyProps = (action) => ({ "data-action": action, "aria-keyshortcuts": KEY_OF.get(action) });

function isHeld(event, held) {
  const { ctrlKey, altKey, shiftKey, metaKey } = event;
  if (event.getModifierState?.("AltGraph") || metaKey) return false;
  if (held === "Control") return ctrlKey && !altKey && !shiftKey;
  return APPLE ? ctrlKey && shiftKey && !altKey : altKey && !ctrlKey && !shiftKey;
}

/** The entry of KEYS that an event means, or undefined. On keyboards without Latin letters the place of the key counts. */
export function entryOf(event) {
  const letter = /^[a-z]$/i.test(event.key) ? event.key.toUpperCase() : null;
  return KEYS.find(({ key, held, code }) => {
    if (!isHeld(event, held)) return false;
    if (key === "Enter") return event.key === "Enter";
    if (code) return event.key === key || event.code === code;
    return letter ? letter === key : event.code === `Key${key}`;
  });
}

export function listen(actions, currentKey) {
  for (const node of document.querySelectorAll("button[data-action]")) {
    setAttribute(node, "aria-keyshortcuts", KEY_OF.get(node.dataset.action));
  }
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const entry = entryOf(event);
    if (entry) {
      event.preventDefault();
      actions[entry.action](currentKey());
    } else if (event.key === "?" && options.questionMark && !isField(event.target)) {
      event.preventDefault();
      showKeys();
    } else if (event.key === "Escape") {
      actions.stop();
    }
  });
}

const isField = (node) => node.matches?.("input:not([type=checkbox], [type=range], [type=button]), textarea, select");

export function showKeys() {
  const groups = [...new Set(KEYS.map(({ group }) => group))];
  const body = groups.map((group) =>
    el("table", {},
      el("caption", { text: group }),
      el("tbody", {}, ...KEYS.filter((entry) => entry.group === group).map((entry) =>
        el("tr", {}, el("th", { scope: "row" }, el("kbd", { text: nameOf(entry) })), el("td", { text: entry.words }))))));
  const last = speaker.said.slice(-8).reverse();
  openDialog("Keys", [
    el("p", { text: "Each of these is also a button, in the row, behind its “More”, or at the top. Escape stops what is heard and closes what is open; the question " +
      "mark opens this list where you are not in a field." }),
    el("div", { class: "columns" }, ...body),
    el("h3", { text: "The last messages" }),
    el("ol", {}, ...(last.length ? last : ["None yet."]).map((text) => el("li", { text }))),
  ], [["Close", null, true]], { wide: true });
}
