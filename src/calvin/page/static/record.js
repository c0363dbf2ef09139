// A person's own voice: countdown, the text as teleprompter, the picture running along; or a WAV file brought in.

import { Refused, Unreachable, call } from "./api.js";
import { button, checkbox, el, setOff, setText } from "./dom.js";
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
};

const GONE = "The microphone has gone. Connect it and press Record again, or bring in a WAV file.";

/** What the microphone hears, from `open` to `stop`. */
class Microphone {
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
      this.level = chunk.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
    };
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
  const microphone = new Microphone();
  let [blob, state, timer, address] = [null, "ready", null, null];
  const status = el("p", { role: "status", class: "big-status" });
  const level = el("meter", { min: "0", max: "1", low: "0.05", high: "0.95", optimum: "0.5", "aria-label": "Level" });
  const heard = el("audio", { controls: true, hidden: true, "aria-label": "The recording" });
  const pictures = checkbox("Run the film along, without sound", !film.video.hidden, () => {});
  const main = button("Record", () => (state === "recording" ? finish() : begin()), { class: "main" });
  const keep = button("Keep this recording", () => save(), { "aria-disabled": "true" });
  const room = row.extended ? "The film pauses for this cue." : `There are ${seconds(row.room_ms)} of room.`;

  async function begin() {
    setOff(main, true);
    setText(status, "Opening the microphone…");
    try {
      if (!microphone.context) await microphone.open();
      if (state === "closed") return microphone.close(); // it was allowed only after the dialog had gone
      microphone.onLost = lost;
    } catch (error) {
      microphone.close();
      if (state === "closed") return;
      setText(status, told(error));
      setOff(main, false);
      return;
    }
    for (const number of [3, 2, 1]) {
      setText(status, `${number}…`);
      microphone.beep(660);
      await new Promise((resolve) => setTimeout(resolve, 700));
      if (state === "closed") return;
      if (!microphone.context) {
        setText(status, GONE);
        setOff(main, false);
        return;
      }
    }
    // The last tone is over before the recording begins, and is not in it.
    microphone.start();
    state = "recording";
    setOff(main, false);
    setOff(keep, true);
    heard.hidden = true;
    setText(main, "Stop");
    setText(status, "Recording. Speak now.");
    if (pictures.input.checked && !film.video.hidden) film.playSilent(row.start_ms);
    timer = setInterval(() => {
      level.value = microphone.level ?? 0;
      if (microphone.ms >= LONGEST_MS) finish();
    }, 100);
  }

  function finish() {
    clearInterval(timer);
    film.stopSilent();
    const { ms } = microphone;
    blob = microphone.stop();
    state = "ready";
    level.value = 0;
    setText(main, "Record again");
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(blob);
    heard.src = address;
    heard.hidden = false;
    setOff(keep, false);
    const left = row.room_ms - ms;
    const fits = row.extended ? "" : left >= 0 ? `, ${seconds(left)} left` : `, ${seconds(left)} too long`;
    setText(status, `Recorded ${seconds(ms)}${fits}. Listen to it, keep it, or record again.`);
    keep.focus();
  }

  /** The microphone was pulled out, or its leave was taken back: what was said until then is kept. */
  function lost() {
    const isRecording = state === "recording";
    if (isRecording) finish();
    microphone.close();
    if (isRecording) setText(status, `The microphone has gone. ${status.textContent}`);
  }

  async function save() {
    setOff(keep, true);
    setText(status, "Sending the recording…");
    try {
      await send(project, row, blob);
      blob = null;
      dialog.finish(true);
    } catch (error) {
      setOff(keep, false);
      setText(status, `${told(error)} The recording is still here: press Keep again.`);
    }
  }

  const unload = (event) => (state === "recording" || blob) && event.preventDefault();
  addEventListener("beforeunload", unload);
  const dialog = openDialog("Record in your own voice", [
    el("p", { text: `${room} Three tones count down; then speak. Use headphones, so that nothing else is recorded.` }),
    el("p", { class: "prompter", tabindex: "0", role: "group", "aria-label": "Text to speak", text: row.text }),
    status, level, heard, pictures,
  ], [["Close", null]], { focus: undefined, wide: true, label: "record" });
  dialog.buttons.prepend(main, keep);
  main.focus();
  // Escape while it records stops the recording and keeps what was said; once more closes.
  dialog.addEventListener("cancel", (event) => {
    if (state !== "recording") return;
    event.preventDefault();
    finish();
  });
  await dialog.answer;
  state = "closed";
  clearInterval(timer);
  film.stopSilent();
  microphone.close();
  removeEventListener("beforeunload", unload);
  if (address) URL.revokeObjectURL(address);
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
