// Dialogs: native <dialog>, so that the browser keeps the focus in them and gives it back.

import { button, byId, el } from "./dom.js";

let number = 0;

/**
 * Opens a dialog. `buttons`: [[words, value, isMain], ...]; Escape and the last button give null.
 * `body`: elements. `focus`: the element that has the focus first.
 * `mayLeave`: asked before anything gives null, by whatever way; a false answer keeps the dialog open.
 * Gives the dialog; its `answer` is a promise of the value.
 */
export function openDialog(title, body, buttons = [["Close", null]], { focus, wide, label, mayLeave } = {}) {
  const id = `dialog-${++number}`;
  const opener = document.activeElement;
  const heading = el("h2", { id, text: title, tabindex: "-1" });
  const dialog = el("dialog", { class: wide ? "wide" : "", "aria-labelledby": id, "data-name": label ?? title },
    heading, ...body);
  // Whoever hears the page is told what it is about with its name, and not only where the focus is.
  if (body[0]?.localName === "p") {
    body[0].id = `${id}-about`;
    dialog.setAttribute("aria-describedby", body[0].id);
  }
  const row = el("div", { class: "tools end" });
  for (const [words, value, isMain] of buttons) {
    row.append(button(words, () => (value === null ? leave() : dialog.finish(value)), { class: isMain ? "main" : "" }));
  }
  dialog.append(row);
  dialog.buttons = row;
  let [open, asking] = [true, false];
  let settle = null;
  dialog.answer = new Promise((resolve) => (settle = resolve));
  // At once, and not when the browser comes round to its `close`: what waits for the answer may keep what was written,
  // and whoever opens the same dialog again is to find it.
  dialog.finish = (given) => {
    if (!open) return;
    open = false;
    dialog.close();
    dialog.remove();
    if (opener?.isConnected && document.activeElement === document.body) opener.focus();
    settle(given);
  };

  /** Closes it without a value, if it may be left; asked once at a time. */
  async function leave() {
    if (!mayLeave) return dialog.finish(null);
    if (asking) return undefined;
    asking = true;
    const may = await mayLeave();
    asking = false;
    if (may) dialog.finish(null);
    return undefined;
  }

  if (mayLeave) {
    // Browsers let `cancel` be refused only once in a row, so that Escape is taken before it comes to that.
    dialog.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      leave();
    });
  }
  dialog.addEventListener("cancel", (event) => {
    if (event.target !== dialog) return; // a chooser of files in it
    event.preventDefault();
    leave();
  });
  dialog.addEventListener("close", (event) => {
    if (event.target !== dialog || !open) return;
    if (mayLeave) dialog.showModal(); // closed by a gesture of the system's own, which no page can refuse
    leave();
  });
  byId("dialogs").append(dialog);
  dialog.showModal();
  (focus ?? heading).focus();
  return dialog;
}

/** A question with the answers Yes (in words of its own) and no. */
export async function confirmDialog(title, text, yes, no = "Cancel") {
  return (await openDialog(title, [el("p", { text })], [[yes, true, true], [no, null]]).answer) === true;
}

/** The same cue was changed here and elsewhere: both texts, and what shall stand. Gives a text, or null for theirs. */
export async function conflictDialog({ mine, theirs, where, words }) {
  const box = el("textarea", { id: "conflict-mine", rows: "3", value: mine });
  const other = el("textarea", { id: "conflict-theirs", rows: "3", readonly: true, value: theirs?.text ?? "" });
  const body = [
    el("p", { text: `${where}. ${words} Nothing is lost: choose what shall stand.` }),
    el("label", { for: "conflict-mine", text: "Your text (you can still change it)" }), box,
  ];
  if (theirs) body.push(el("label", { for: "conflict-theirs", text: "The text that stands now" }), other);
  const buttons = theirs
    ? [["Put my text in its place", "mine", true], ["Keep the text that stands now", "theirs"]]
    : [["Insert my text as a new cue", "mine", true], ["Let my text go", "theirs"]];
  const status = el("p", { role: "status" });
  // Escape chooses nothing: one of the texts would be lost by a key that means "away with this".
  const mayLeave = () => void (status.textContent = "Choose one of the two buttons: one of the texts has to stand.");
  const answer = await openDialog("Two texts for one cue", [...body, status], buttons, { focus: box, label: "conflict", mayLeave }).answer;
  return answer === "mine" ? box.value : null;
}
