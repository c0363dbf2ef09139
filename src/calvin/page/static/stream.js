// What happens on the server, heard once for all tabs: a browser keeps six connections to one server, for all of its
// tabs together, and each stream of events would take one of them for as long as its tab is open.
//
// The tab that holds the lock reads the stream and hands on what it hears. When it is closed, or dies, the browser gives
// the lock to the next one, and every tab asks anew for what it may have missed.

import { Refused, Unreachable, readEvents } from "./api.js";

const NAME = "calvin-events";
const MOST_KEPT = 1000;
const AGAIN_MS = 2000;
const shared = "BroadcastChannel" in window && navigator.locks ? new BroadcastChannel(NAME) : null;

/** What this tab listens to: pid -> {listener, kept}. What comes while nobody listens is kept for who comes back. */
const heard = new Map();
let isLive = false;
let isLeading = false;
let begun = false;
let tellLive = null;
const live = new Promise((resolve) => (tellLive = resolve));

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resolves when events are heard, or after some time in which they are not: what is asked for then misses none. */
export function whenLive(ms = 1500) {
  return shared ? Promise.race([live, pause(ms)]) : Promise.resolve();
}

/** Calls `receive(event)` with what happens in a project. Resolves when something may have been missed; raises as `call` does. */
export function events(path, receive) {
  if (!shared) return readEvents(path, receive);
  const pid = decodeURIComponent(path.split("/")[3]);
  const entry = heard.get(pid) ?? { listener: null, kept: [] };
  heard.set(pid, entry);
  begin();
  return new Promise((resolve, reject) => {
    entry.listener = { receive, resolve, reject };
    for (const event of entry.kept.splice(0)) receive(event);
  });
}

function hear({ pid, event, ended, live: isHeard }) {
  if (isHeard) {
    isLive = true;
    tellLive();
  }
  for (const [one, entry] of event ? heard : []) {
    if (pid !== undefined && pid !== one) continue;
    if (entry.listener) entry.listener.receive(event);
    else if (entry.kept.length < MOST_KEPT) entry.kept.push(event);
  }
  if (ended === undefined) return;
  isLive = false;
  for (const entry of heard.values()) {
    const { listener } = entry;
    entry.listener = null;
    if (!listener) continue;
    if (!ended) listener.resolve();
    else listener.reject(ended.status ? new Refused(ended.status, ended.body) : new Unreachable(ended.words));
  }
}

function spread(message) {
  shared.postMessage(message);
  hear(message);
}

function begin() {
  if (begun) return;
  begun = true;
  shared.addEventListener("message", ({ data }) => {
    if (data.who) isLeading && isLive && shared.postMessage({ live: true });
    else hear(data);
  });
  shared.postMessage({ who: true });
  navigator.locks.request(NAME, { ifAvailable: true }, (lock) => (lock ? lead(false) : undefined))
    .then(() => navigator.locks.request(NAME, () => lead(true)));
}

/** Reads the stream for as long as the tab is open; `inherited`: another tab did so before. */
async function lead(inherited) {
  isLeading = true;
  let missed = inherited;
  let leaves = false; // what breaks because this tab goes away is nothing that another has to be told
  addEventListener("pagehide", () => (leaves = true));
  addEventListener("pageshow", () => (leaves = false));
  for (;;) {
    try {
      await readEvents("/api/events", ({ pid, ...event }) => {
        if (event.type !== "hello") return spread({ pid, event });
        if (missed) spread({ ended: null });
        return spread({ live: true });
      });
      missed = leaves;
      if (!leaves) spread({ ended: null });
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unreachable || error instanceof TypeError)) throw error;
      missed = leaves;
      if (!leaves) spread({ ended: { status: error.status, body: error.body, words: error.message } });
    }
    await pause(AGAIN_MS);
  }
}
