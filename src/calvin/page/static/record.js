// A person's own voice: countdown, the text as teleprompter, the picture running along; or a WAV file brought in.

import { Refused, Unreachable, call } from "./api.js";
import { save } from "./deliver.js";
import { button, checkbox, choice, el, field, setOff, setText } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { say } from "./say.js";
import { encode, isWav } from "./wav.js";
import { seconds } from "./words.js";

const LONGEST_MS = 120_000;
const MAX_BYTES = 30 * 1024 * 1024;

const WHY = {
  NotFoundError: "No microphone was found. Connect one and press Record again, or bring in a WAV file.",
  NotAllowedError: "The browser may not use the microphone. Allow it in the address bar, or bring in a WAV file.",
  NotReadableError: "The microphone is in use by another program. Close that program and press Record again.",
  AbortError: "The microphone did not begin. Press Record again, or bring in a WAV file.",
};

const GONE = "The microphone has gone. Connect it and press Record again, or bring in a WAV file.";

/** What the microphone hears, from `open` to `stop`. */
class Microphone {
  #peak = 0;

  async open() {
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "NotFoundError");
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    for (const track of this.stream.getTracks()) track.addEventListener("ended", () => this.onLost?.());
    this.context = new AudioContext();
    await this.context.resume();
    await this.context.audioWorklet.addModule("/static/recorder-worklet.js");
    this.node = new AudioWorkletNode(this.context, "recorder", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => this.receive?.(data);
    this.context.createMediaStreamSource(this.stream).connect(this.node);
  }

  /** A short tone, as of a countdown. */
  beep(hertz) {
    const tone = this.context.createOscillator();
    const gain = this.context.createGain();
    gain.gain.value = 0.1;
    tone.frequency.value = hertz;
    tone.connect(gain).connect(this.context.destination);
    tone.start();
    tone.stop(this.context.currentTime + 0.12);
  }

  start() {
    this.chunks = [];
    this.length = 0;
    this.receive = (chunk) => {
      this.chunks.push(chunk);
      this.length += chunk.length;
      this.#peak = chunk.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), this.#peak);
    };
  }

  /** The loudest sample since this was last asked. */
  takeLevel() {
    const level = this.#peak;
    this.#peak = 0;
    return level;
  }

  get ms() {
    return ((this.length ?? 0) / this.context.sampleRate) * 1000;
  }

  stop() {
    this.receive = null;
    return encode(this.chunks, Math.round(this.context.sampleRate));
  }

  close() {
    this.receive = null;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
    this.context = undefined;
  }
}

async function send(project, row, blob) {
  const path = project.at(`/recordings/${encodeURIComponent(row.cue)}`);
  const kept = await call("PUT", path, blob, { type: "audio/wav", timeout: 120_000 });
  const notes = (kept.notes ?? []).join(" ");
  say(`Recording of ${seconds(kept.speech_ms)} kept for this cue. ${notes}`.trim());
}

const told = (error) => {
  if (error instanceof Refused || error instanceof Unreachable) return error.message;
  if (error instanceof DOMException) return WHY[error.name] ?? `The microphone could not be opened: ${error.message}`;
  throw error;
};

/** Opens the recorder for a cue; resolves when it is closed. */
export async function record(project, film, row) {
  film.stop();
  film.video.pause();
  const recorder = new Recorder(project, film, row);
  await recorder.dialog.answer;
  recorder.close();
}

/**
 * The recorder of one cue. Every take stays until one of them is kept, or somebody says that they shall be thrown away;
 * where the browser itself is closed, it asks first.
 */
class Recorder {
  #microphone = new Microphone();
  /** "ready", "opening", "recording", "sending", "closed" */
  #state = "ready";
  #takes = [];
  #chosen = null;
  #isGivenUp = false;
  #timer = null;
  #address = null;

  constructor(project, film, row) {
    Object.assign(this, { project, film, row });
    this.status = el("p", { role: "status", class: "big-status" });
    this.level = el("meter", { min: "0", max: "1", low: "0.05", high: "0.95", optimum: "0.5", "aria-label": "Level" });
    this.length = el("p", { class: "note", text: "Nothing is recorded yet." });
    this.heard = el("audio", { controls: true, hidden: true, "aria-label": "The recording" });
    this.take = choice([], "", (number) => this.#choose(Number(number)));
    this.takeField = field("Take", this.take, { class: "field", hidden: true });
    this.pictures = checkbox("Run the film along, without sound", !film.video.hidden, () => {});
    this.main = button("Record", () => (this.#state === "recording" ? this.#finish() : this.#begin()), { class: "main" });
    this.keep = button("Keep this recording", () => this.#save(), { "aria-disabled": "true" });
    this.file = button("Save it as a file", () => save(`cue-${row.cue}.wav`, this.#chosen.blob), { hidden: true });
    this.room = row.extended ? "The film pauses for this cue." : `There are ${seconds(row.room_ms)} of room.`;
    const how = `${this.room} Three tones count down; then speak. Use headphones, so that nothing else is recorded.`;
    this.dialog = openDialog("Record in your own voice", [
      el("p", { text: `${how} Escape ends the recording.` }),
      el("p", { class: "prompter", tabindex: "0", role: "group", "aria-label": "Text to speak", text: row.text }),
      this.status, this.level, this.length, this.takeField, this.heard, this.pictures,
    ], [["Close", null]], { focus: this.main, wide: true, label: "record", mayLeave: () => this.#mayLeave() });
    this.dialog.buttons.prepend(this.main, this.keep, this.file);
    this.main.focus();
    this.unload = (event) => this.#isUnsaved && event.preventDefault();
    addEventListener("beforeunload", this.unload);
  }

  get #isUnsaved() {
    return this.#state === "recording" || this.#takes.length > 0;
  }

  async #begin() {
    setOff(this.main, true);
    setText(this.status, "Opening the microphone…");
    [this.#state, this.#isGivenUp] = ["opening", false];
    try {
      if (!this.#microphone.context) await this.#microphone.open();
      if (this.#state === "closed") return this.#microphone.close(); // it was allowed only after the dialog had gone
      this.#microphone.onLost = () => this.#lost();
    } catch (error) {
      this.#microphone.close();
      return this.#cannot(told(error));
    }
    for (const number of [3, 2, 1]) {
      setText(this.status, `${number}…`);
      this.#microphone.beep(660);
      await new Promise((resolve) => setTimeout(resolve, 700));
      if (this.#state === "closed") return undefined;
      if (!this.#microphone.context) return this.#cannot(GONE);
      if (this.#isGivenUp) return this.#cannot("It was stopped before it began.");
    }
    // The last tone is over before the recording begins, and is not in it.
    this.#microphone.start();
    this.#state = "recording";
    setOff(this.main, false);
    setOff(this.keep, true);
    this.heard.pause();
    this.heard.hidden = this.takeField.hidden = this.file.hidden = true;
    setText(this.main, "Stop");
    setText(this.status, "Recording. Speak now.");
    if (this.pictures.input.checked && !this.film.video.hidden) this.film.playSilent(this.row.start_ms);
    this.#timer = setInterval(() => {
      this.level.value = this.#microphone.takeLevel();
      setText(this.length, this.#lengthWords(this.#microphone.ms));
      if (this.#microphone.ms >= LONGEST_MS) this.#finish();
    }, 100);
    return undefined;
  }

  /** It does not record; what was recorded before can still be kept. */
  #cannot(words) {
    if (this.#state === "closed") return;
    this.#state = "ready";
    setOff(this.main, false);
    this.#showTakes();
    setText(this.status, this.#takes.length ? `${words} What you recorded before is still here.` : words);
  }

  #finish() {
    clearInterval(this.#timer);
    this.film.stopSilent();
    const { ms } = this.#microphone;
    const blob = this.#microphone.stop();
    this.#state = "ready";
    this.level.value = 0;
    if (!ms) return this.#cannot("Nothing was recorded: wait until the tones are over, then speak.");
    this.#takes.push({ blob, ms });
    const number = this.#takes.length;
    this.take.append(el("option", { value: String(number), text: `${number}, ${seconds(ms)}` }));
    this.take.value = String(number);
    this.#choose(number);
    this.#showTakes();
    const left = this.row.room_ms - ms;
    const fits = this.row.extended ? "" : left >= 0 ? `, ${seconds(left)} left` : `, ${seconds(left)} too long`;
    const earlier = number > 1 ? " The takes before it are still here: choose under “Take”." : "";
    setText(this.status, `Recorded ${seconds(ms)}${fits}. Listen to it, keep it, or record again.${earlier}`);
    this.keep.focus();
    return undefined;
  }

  #lengthWords(ms) {
    return this.row.extended ? `${seconds(ms)} recorded` : `${seconds(ms)} recorded, of ${seconds(this.row.room_ms)}`;
  }

  #showTakes() {
    const number = this.#takes.length;
    setText(this.length, number ? this.#lengthWords(this.#chosen.ms) : "Nothing is recorded yet.");
    this.heard.hidden = this.file.hidden = !number;
    this.takeField.hidden = number < 2;
    setOff(this.keep, !number);
    setText(this.main, number ? "Record again" : "Record");
  }

  #choose(number) {
    this.#chosen = this.#takes[number - 1];
    setText(this.length, this.#lengthWords(this.#chosen.ms));
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(this.#chosen.blob);
    this.heard.src = this.#address;
  }

  /** The microphone was pulled out, or its leave was taken back: what was said until then is kept. */
  #lost() {
    const isRecording = this.#state === "recording";
    if (isRecording) this.#finish();
    this.#microphone.close();
    if (isRecording) setText(this.status, `The microphone has gone. ${this.status.textContent}`);
  }

  async #save() {
    setOff(this.keep, true);
    setOff(this.main, true);
    this.#state = "sending";
    setText(this.status, "Sending the recording…");
    try {
      await send(this.project, this.row, this.#chosen.blob);
      this.#takes = [];
      this.dialog.finish(true);
    } catch (error) {
      this.#state = "ready";
      setOff(this.keep, false);
      setOff(this.main, false);
      setText(this.status, `${told(error)} The recording is still here: press Keep again, or save it as a file.`);
    }
  }

  /** Escape, Close and whatever else would leave: nothing that was said goes without a question. */
  async #mayLeave() {
    if (this.#state === "recording") this.#finish();
    else if (this.#state === "sending") setText(this.status, "The recording is being sent; wait a moment.");
    else {
      this.#isGivenUp = true;
      return this.#takes.length ? this.#mayThrowAway() : true;
    }
    return false;
  }

  async #mayThrowAway() {
    const number = this.#takes.length;
    const text = number > 1
      ? `You have ${number} recordings of this cue, and none of them is kept yet.`
      : `You have recorded ${seconds(this.#takes[0].ms)}, and it is not kept yet.`;
    const keep = number > 1 ? `Keep take ${this.#takes.indexOf(this.#chosen) + 1}` : "Keep it";
    const throwAway = number > 1 ? "Throw them away" : "Throw it away";
    const answer = await openDialog("Keep the recording?", [el("p", { text })],
      [[keep, "keep", true], [throwAway, "throw"], ["Go back", null]], { label: "keep-recording" }).answer;
    if (answer === "keep") this.#save();
    if (answer === "throw") say(number > 1 ? "The recordings are thrown away." : "The recording is thrown away.");
    return answer === "throw";
  }

  close() {
    this.#state = "closed";
    clearInterval(this.#timer);
    this.film.stopSilent();
    this.#microphone.close();
    removeEventListener("beforeunload", this.unload);
    if (this.#address) URL.revokeObjectURL(this.#address);
  }
}

/** Lets a WAV file be chosen and sends it for a cue. */
export function bringIn(project, row) {
  const input = el("input", { type: "file", accept: ".wav,audio/wav,audio/x-wav" });
  const status = el("p", { role: "status" });
  const label = el("label", { text: "WAV file, at most 30 MB" }, input);
  const dialog = openDialog("Bring in a WAV file", [
    el("p", { text: "It is brought to the level of the other cues, measured and mixed like them. Your file stays as it is." }),
    label, status,
  ], [["Close", null]], { focus: input, label: "bring-in" });
  const use = button("Use this file", async () => {
    const file = input.files[0];
    if (!file) return setText(status, "Choose a file first.");
    if (file.size > MAX_BYTES) return setText(status, "That file is over 30 MB: cut it to the cue, or save it in one channel.");
    if (!(await isWav(file))) return setText(status, "That is no WAV file: save the sound as WAV (PCM) and choose that.");
    setOff(use, true);
    setText(status, "Sending the file…");
    try {
      await send(project, row, file);
      dialog.finish(true);
    } catch (error) {
      setOff(use, false);
      setText(status, told(error));
    }
  }, { class: "main" });
  dialog.buttons.prepend(use);
  return dialog.answer;
}
