// Requests to the server of this machine. The token is in the page alone; it is never stored.

let token = document.querySelector('meta[name="calvin-token"]')?.content ?? "";

/** No answer came: the server ended, or the machine slept. */
export class Unreachable extends Error {}

/** The server answered that it would not: `status`, and `body` as far as it was JSON. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ?? `The server answered ${status}.`);
    this.status = status;
    this.body = body ?? {};
  }

  /** Whether the same request may be right later: the project is in use, the disk is full, or the server has a
   * new token. */
  get passing() {
    return [401, 403, 423, 503, 507].includes(this.status);
  }
}

// A server that was started again at the same address has another token. The page that it opens hands it to the tabs
// that are still open, so that what was written in them can be sent. Only pages of this very address hear it.
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("calvin-studio") : null;
const handed = new Set();
if (tabs) {
  tabs.postMessage({ token });
  tabs.addEventListener("message", ({ data }) => {
    if (typeof data?.token !== "string" || data.token === token) return;
    token = data.token;
    for (const listener of handed) listener();
  });
}

export function onNewToken(listener) {
  handed.add(listener);
}

export function headers(more = {}) {
  return { "X-Calvin-Token": token, ...more };
}

async function request(method, path, { body, type, signal, keepalive, id, timeout = 30_000 } = {}) {
  const sent = body === undefined ? {} : { "Content-Type": type ?? "application/json" };
  if (id) sent["X-Calvin-Edit"] = id;
  const until = signal ?? (timeout ? AbortSignal.timeout(timeout) : undefined);
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: headers(sent),
      body: body === undefined ? undefined : type ? body : JSON.stringify(body),
      signal: until,
      keepalive,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The server does not answer.");
  }
  if (answer.ok) return answer;
  throw new Refused(answer.status, await answer.json().catch(() => null));
}

/** Asks for JSON and gives it. Raises Unreachable or Refused. */
export async function call(method, path, body, options = {}) {
  const answer = await request(method, path, { body, ...options });
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch {
    throw new Unreachable("The answer of the server broke off.");
  }
}

/** Asks for a file and gives it as a Blob. */
export async function fetchBlob(path, options = {}) {
  return (await request("GET", path, options)).blob();
}

/** Asks for a sound: {blob, filmMs}, `filmMs` being when in the film it begins; null where that is not said. */
export async function fetchSound(path) {
  const answer = await request("GET", path, { timeout: 120_000 });
  const filmMs = answer.headers.get("X-Film-Ms");
  return { blob: await answer.blob(), filmMs: filmMs === null ? null : Number(filmMs) };
}

/** Server-sent events, read by fetch because EventSource sends no header. Calls `receive(event)` until it ends. */
export async function readEvents(path, receive, signal) {
  const answer = await request("GET", path, { signal, timeout: 0 });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value.replaceAll("\r\n", "\n");
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (data.length) receive(JSON.parse(data.join("\n")));
    }
  }
}
