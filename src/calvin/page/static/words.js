// What the page says of times, rooms and cues: one place, so that eyes and ears get the same words.

/** 62345 -> "0:01:02.3"; hours are always there, so that times line up and are read alike. */
export function clock(ms) {
  const tenths = Math.max(0, Math.round(ms / 100));
  const [hours, minutes, seconds] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths / 10) % 60];
  return `${hours}:${String(minutes).padStart(2, "0")}:${seconds.toFixed(1).padStart(4, "0")}`;
}

/** A time to the millisecond, as it stands in the fields: "0:01:02.345". */
export function exactTime(ms) {
  const [hours, minutes] = [Math.floor(ms / 3600000), Math.floor(ms / 60000) % 60];
  return `${hours}:${String(minutes).padStart(2, "0")}:${((ms % 60000) / 1000).toFixed(3).padStart(6, "0")}`;
}

/** "1:02.5", "62,5", "0:01:02.500" -> milliseconds; null where it is no time. */
export function parseTime(text) {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !/^\d+(\.\d{1,3})?$/.test(parts.at(-1))) return null;
  if (parts.slice(0, -1).some((part) => !/^\d+$/.test(part))) return null;
  const numbers = parts.map(Number);
  if (parts.length > 1 && numbers.slice(1).some((number) => number >= 60)) return null;
  return Math.round(numbers.reduce((sum, number) => sum * 60 + number, 0) * 1000);
}

export const seconds = (ms) => `${(Math.abs(ms) / 1000).toFixed(1)} s`;

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export const STATUSES = { empty: "Empty", draft: "Draft", "needs-work": "Needs work", approved: "Approved" };
export const KINDS = { picture: "Picture", text: "Text on screen", title: "Title", credit: "Credit" };
const AUTHORS = { model: "by the model", adapter: "by the adapted model", human: "by a person" };

/** Milliseconds that the words take: as known, or after the length of a text that has been changed since. */
export function speechMs(row, text = row.text) {
  return text !== row.text && row.text.length ? (row.speech_ms * text.length) / row.text.length : row.speech_ms;
}

export function isTooLong(row, text = row.text) {
  return Boolean(row.cue) && !row.extended && text.trim() !== "" && speechMs(row, text) > row.room_ms;
}

/** How much time is left, or how much there is too little of. */
export function room(row, text = row.text) {
  if (!row.cue) return `Room for ${seconds(row.room_ms)} of speech`;
  if (!text.trim()) return `Room for ${seconds(row.room_ms)} of speech`;
  const changed = text !== row.text;
  const speech = speechMs(row, text);
  const left = row.room_ms - speech;
  const fits = left >= 0 ? `${seconds(left)} left` : `${seconds(left)} too long`;
  const known = row.measured && !changed ? "" : ", estimated";
  if (row.extended) return `The film pauses for it; it takes ${seconds(speech)}${known}`;
  return fits + known;
}

/** Words a minute over the time that the cue stands in the list; null for an empty place. */
export function rate(row, text = row.text) {
  const words = text.trim().split(/\s+/).filter(Boolean).length;
  const minutes = (row.end_ms - row.start_ms) / 60000;
  return words && minutes > 0 ? Math.round(words / minutes) : null;
}

export function who(row) {
  return AUTHORS[row.author] ?? "";
}

const sentence = (text) => `${text.replace(/\.$/, "")}.`;

/** What is to be known of a row beside its text, in sentences: its standing, its room, and the rest. */
export function facts(row, text = row.text) {
  const rest = [];
  const pace = rate(row, text);
  if (row.cue && pace && !row.extended) rest.push(`${pace} words a minute`);
  if (row.recorded) rest.push("In a person's own voice");
  // Where it is too long, why it is left out has been said.
  if (row.cue && !row.said) rest.push(isTooLong(row, text) || !row.why ? "Not in the plain mix" : `Not in the plain mix: ${row.why}`);
  const standing = `${STATUSES[row.status] ?? row.status}${who(row) ? ` ${who(row)}` : ""}`;
  return [sentence(standing), sentence(room(row, text)), rest.map(sentence).join(" ")];
}

export function title(row, index, total) {
  const what = row.cue ? "Cue" : "Place";
  return `${what} ${index + 1} of ${total}, ${clock(row.start_ms)}`;
}

/**
 * What the server says, in the page's own words: "cue-3" by the time at which the list shows it, for the page counts
 * rows and knows no such numbers, and times as the fields show them.
 */
export function named(text, rowOf) {
  const timed = text?.replace(/\b0(\d:\d\d:\d\d\.\d{3})\b/g, "$1");
  return timed?.replace(/\bcue-\d+\b/g, (key, at) => {
    const row = rowOf(key);
    const words = row ? `the cue at ${clock(row.start_ms)}` : "a cue that is gone";
    return at === 0 || /[.!?] $/.test(timed.slice(0, at)) ? words.charAt(0).toUpperCase() + words.slice(1) : words;
  });
}

/** Whether a person has to look at it: lint has found something, it is too long, or somebody said so. */
export function isProblem(row) {
  return Boolean(row.cue) && (row.status === "needs-work" || row.findings?.length > 0 || isTooLong(row));
}

export const isUnapproved = (row) => Boolean(row.cue) && row.status !== "approved";
export const isEmpty = (row) => !row.cue || !row.text.trim();

export function leftWords(secondsLeft) {
  if (!Number.isFinite(secondsLeft) || secondsLeft === null) return "";
  if (secondsLeft < 60) return `about ${Math.max(1, Math.round(secondsLeft))} s left`;
  return `about ${Math.round(secondsLeft / 60)} min left`;
}
