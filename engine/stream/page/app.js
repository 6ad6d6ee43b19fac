// The page: states, controls and figures around one connection.

import { Connection, Problem, ask, openMicrophone, token } from "./connection.js";
import { Emotions } from "./emotions.js";
import { copy, linkNote, watchLink } from "./share.js";

const LOST_MS = 4000; // "disconnected" often heals; after this it is called lost
const RETRY_MS = [1000, 2000, 4000, 8000];
const STATES = {
  idle: "Not connected",
  asking: "Waiting for the microphone …",
  connecting: "Connecting …",
  waiting: "Trying again …",
  connected: "Connected",
  failed: "Not connected",
};

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const bare = query.get("ui") === "0";
const watch = query.get("watch"); // look on at a session that another page has: window.visema.watch there
const autostart = watch ? "program" : ["mic", "sample", "program"].includes(query.get("autostart")) ? query.get("autostart") : null;

let connection = null;
let attempt = 0; // grows with every start and stop: what belongs to an older one is ignored
let failures = 0;
let timer = 0;
let background = readColour(query.get("background"));
let identity = query.get("identity"); // null: the server's own choice
let session = null; // the last "state" that the session told of itself
const emotions = new Emotions((weights, intensity) => connection?.talk.say("emotion", { weights, intensity }));

function readColour(text) {
  return /^#?[0-9a-f]{6}$/i.test(text ?? "") ? `#${text.replace("#", "").toLowerCase()}` : null;
}

function show(state, problem = "") {
  document.body.dataset.state = state;
  $("status-text").textContent = STATES[state];
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
  $("retry").hidden = state !== "failed";
  $("connect").textContent = { connected: "Disconnect", idle: "Connect", failed: "Connect" }[state] ?? "Cancel";
  $("sound").disabled = state !== "connected";
  $("share").hidden = state !== "connected";
  if (state !== "connected") $("shared").hidden = true;
  for (const input of document.querySelectorAll("#sources input, #people input")) input.disabled = !["idle", "failed"].includes(state);
  tellHint();
}

function tellHint() {
  const source = document.querySelector("#sources :checked").value;
  const connected = document.body.dataset.state === "connected";
  const muted = $("video").muted;
  let text = "";
  if (connected && muted) text = source === "mic" ? "Your voice comes back in step with the lips: put headphones on before you unmute." : "The sound is off until you unmute.";
  else if (connected && source === "mic") text = "If it howls, use headphones or mute.";
  $("hint").textContent = text;
  if (connected && session?.program) $("hint").textContent = session.queued_s ? `A program speaks; ${session.queued_s.toFixed(1)} s wait.` : "A program is connected.";
  else if (connected && source === "program" && session) {
    const command = Object.assign(document.createElement("code"), { textContent: `visema say FILE --url ${location.origin} --session ${session.session}` });
    $("hint").replaceChildren("Waiting for a program: ", command);
  }
}

/** An answer of the session. */
function onTold(answer) {
  if (answer.type === "state") {
    session = answer;
    emotions.offer(answer.emotions, answer.emotion);
    tellHint();
  } else if (answer.type === "error") $("hint").textContent = answer.message;
}

async function start() {
  stop();
  const mine = ++attempt;
  const source = document.querySelector("#sources :checked").value;
  let microphone = null;
  try {
    if (source === "mic") {
      show("asking");
      microphone = await openMicrophone();
      if (mine !== attempt) return microphone.getTracks().forEach((track) => track.stop());
    }
    show("connecting");
    const opened = await Connection.open({ source, watch, background, identity, microphone, changed: (state) => mine === attempt && onState(state), told: (answer) => mine === attempt && onTold(answer) });
    if (mine !== attempt) return opened.close();
    connection = opened;
    paintBackground(opened.background);
    $("video").srcObject = opened.stream;
    if (opened.peer.connectionState === "connected") onState("connected");
  } catch (error) {
    microphone?.getTracks().forEach((track) => track.stop());
    if (mine === attempt) fail(error instanceof Problem ? error : new Problem(`Something went wrong: ${error.message}`));
  }
}

function onState(state) {
  clearTimeout(timer);
  if (state === "connected") {
    failures = 0;
    show("connected");
    $("video").play().catch(() => {});
  } else if (state === "disconnected") {
    timer = setTimeout(() => fail(new Problem("The connection was lost.", true)), LOST_MS);
  } else if (state === "failed" || state === "closed") {
    tellWhy().then(fail);
  }
}

/** The server may know why the session ended. */
async function tellWhy() {
  try {
    await connection.serverStats();
  } catch (problem) {
    if (problem.gone) return lost(problem);
  }
  return new Problem("The connection was lost.", true);
}

function lost(problem) {
  const said = problem.message.includes("has ended") || problem.message.includes("no such session");
  return new Problem(said ? "The connection was lost." : `The session ended: ${problem.message}.`, true);
}

function fail(problem) {
  const again = problem.again && (autostart || connection || failures);
  stop();
  if (!again || (!autostart && failures >= RETRY_MS.length)) {
    failures = 0;
    return show("failed", problem.message);
  }
  const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
  failures += 1;
  show("waiting", `${problem.message} Trying again …`);
  timer = setTimeout(start, wait);
}

function stop() {
  attempt += 1;
  clearTimeout(timer);
  connection?.close();
  connection = null;
  session = null;
  emotions.offer([]);
  $("video").srcObject = null;
  for (const id of ["fps", "latency", "offset"]) $(id).textContent = "–";
}

function paintBackground(colour) {
  document.documentElement.style.setProperty("--background", colour);
  for (const input of document.querySelectorAll("#backgrounds [type=radio]")) input.checked = input.value === colour;
  if (readColour(colour)) $("colour").value = colour;
}

function chooseBackground(colour) {
  background = colour;
  paintBackground(colour);
  connection?.setBackground(colour).catch((problem) => ($("hint").textContent = problem.message));
}

/** The faces to choose from; without any (or an answer) the choice stays hidden. */
async function showPeople() {
  const { identities = [], default: first } = await ask("GET", "identities").catch(() => ({}));
  for (const { name, about, picture } of identities.length > 1 ? identities : []) {
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "identity", value: name });
    input.checked = name === (identity ?? first);
    const face = Object.assign(document.createElement(picture ? "img" : "span"), { title: about });
    if (picture) Object.assign(face, { src: picture, alt: "", width: 52, height: 52 });
    else face.textContent = "?";
    const label = document.createElement("label");
    const text = Object.assign(document.createElement("span"), { className: "name", textContent: name });
    label.append(input, face, text);
    $("people").append(label);
    $("people").hidden = false;
  }
  show(document.body.dataset.state);
}

function setMuted(muted) {
  $("video").muted = muted;
  $("sound").textContent = muted ? "Unmute" : "Mute";
  $("sound").setAttribute("aria-pressed", String(!muted));
  tellHint();
}

/** The link stays to be seen, since not every browser lets it be copied. */
async function share() {
  const href = watchLink(connection.watch);
  const copied = await copy(href);
  const link = Object.assign(document.createElement("a"), { href, target: "_blank", rel: "noopener", textContent: href });
  $("shared").replaceChildren(copied ? "Copied: " : "For others: ", link, ` ${linkNote(Boolean(token))}`);
  $("shared").hidden = false;
}

/** Once a second: engine + network both ways + what the browser holds back before it shows a picture. */
async function tellFigures() {
  if (!connection || document.body.dataset.state !== "connected") return;
  const mine = attempt;
  try {
    const [page, server] = await Promise.all([connection.stats(), connection.serverStats()]);
    connection.talk.say("state");
    if (page.avOffsetMs !== null) connection.talk.say("seen", { av_offset_ms: page.avOffsetMs });
    const latency = server.latency_ms.p50 + (page.roundTripMs ?? 0) + (page.videoBufferMs ?? 0) + (page.decodeMs ?? 0);
    if (mine !== attempt) return;
    $("fps").textContent = page.fps.toFixed(1);
    $("latency").textContent = Math.round(latency);
    $("offset").textContent = page.avOffsetMs === null ? "–" : `${page.avOffsetMs > 0 ? "+" : ""}${Math.round(page.avOffsetMs)}`;
  } catch (problem) {
    if (mine === attempt && problem.gone) fail(lost(problem));
  }
}

$("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  failures = 0;
  if (["idle", "failed"].includes(document.body.dataset.state)) start();
  else { stop(); show("idle"); }
});
$("retry").addEventListener("click", start);
$("sound").addEventListener("click", () => setMuted(!$("video").muted));
$("share").addEventListener("click", share);
$("sources").addEventListener("change", tellHint);
$("people").addEventListener("change", (event) => (identity = event.target.value));
$("backgrounds").addEventListener("change", (event) => chooseBackground(event.target.value));
addEventListener("pagehide", stop);
setInterval(tellFigures, 1000);

window.visema = {
  /** See Connection.stats; zeros while there is no connection. */
  stats: async () => (connection ? connection.stats() : { framesDecoded: 0, fps: 0, freezeCount: 0, width: 0, height: 0, audioPacketsReceived: 0, avOffsetMs: null }),
  /** A message of PROTOCOL.md; whether it could be sent. */
  say: (type, content) => connection?.talk.say(type, content) ?? false,
  serverStats: async () => (connection ? connection.serverStats() : null),
  get state() { return document.body.dataset.state; },
  /** For `?watch=` in the address of another page, which then shows the same; null while not connected. */
  get watch() { return connection?.watch ?? null; },
};

document.body.classList.toggle("bare", bare);
paintBackground(background ?? "#39424e");
if (query.get("sound") === "1") setMuted(false);
if (autostart) document.querySelector(`#sources [value=${autostart}]`).checked = true;
show("idle");
if (!bare) showPeople();
if (autostart) start();
