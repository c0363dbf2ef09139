// What happened, said in a live region at the listener's pace, and shown for everybody.

import { byId, setText } from "./dom.js";

const KEPT = 30;

class Speaker {
  /** Seconds of quiet before a message is given to the screen reader. */
  pace = 0.3;
  said = [];
  #waiting = [];
  #timer = null;

  /** Says a sentence. Those that come together are said together, a repeat once. */
  say(text) {
    if (!text) return;
    this.said.push(text);
    if (this.said.length > KEPT) this.said.shift();
    setText(byId("shown-message"), text);
    if (this.#waiting.at(-1) !== text) this.#waiting.push(text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#speak(), this.pace * 1000);
  }

  /** Says the last message again, as for somebody who has missed it. */
  again() {
    this.#waiting = [this.said.at(-1) ?? "Nothing has been said yet."];
    this.#speak();
  }

  #speak() {
    const region = byId("live");
    // The same words twice are only a change, and so only spoken, where the region was empty between.
    region.textContent = "";
    const text = this.#waiting.slice(-4).join(" ");
    this.#waiting = [];
    requestAnimationFrame(() => setTimeout(() => (region.textContent = text), 30));
  }
}

export const speaker = new Speaker();
export const say = (text) => speaker.say(text);
