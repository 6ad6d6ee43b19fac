// One WebRTC connection to the engine, and what can be measured of it.

import { Talk } from "./talk.js";

// Browsers bring sound and picture within 30 ms of each other by themselves, and no nearer. What is left is taken
// away by holding the earlier one back, in steps small enough not to fight the browser's own.
const STEP_MS = 700;
const STEPS = 3; // measurements, of which the median counts
const AIM_MS = -15; // a sound a little late is natural, an early one is not
const FIRST_HOLD_MS = 30;
const LONGEST_HOLD_MS = 300;
const MOST_AT_ONCE_MS = 25;
const GATHER_MS = 1500; // host candidates come at once; nothing is asked of the internet

/** An error with a text for people; again: trying again by itself may help; gone: the session has ended. */
export class Problem extends Error {
  constructor(text, again = false, gone = false) {
    super(text);
    this.again = again;
    this.gone = gone;
  }
}

/** The microphone as a MediaStream, or a Problem that says what to do. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Problem("Browsers give the microphone only to pages on localhost or over https. Open this page there, or use the built-in sample.");
  }
  try {
    // The engine evens out loudness by itself; echo and noise are the browser's to remove.
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: false, channelCount: 1 },
    });
  } catch (error) {
    const texts = {
      NotAllowedError: "The microphone is blocked for this page. Allow it in the browser's address bar, then try again.",
      NotFoundError: "No microphone was found. Plug one in, or use the built-in sample.",
      NotReadableError: "Another program holds the microphone. Close it, then try again.",
    };
    throw new Problem(texts[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
}

export const token = new URLSearchParams(location.hash.slice(1)).get("token"); // behind #: never sent, never logged
const allowed = token ? { Authorization: `Bearer ${token}` } : {};

/** Ask the server, or a Problem with its words. */
export async function ask(method, path, body) {
  let reply;
  try {
    reply = await fetch(path, {
      method,
      headers: body ? { ...allowed, "Content-Type": "application/json" } : allowed,
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Problem("The server does not answer. Is it still running?", true);
  }
  const value = await reply.json().catch(() => ({}));
  if (reply.ok) return value;
  if (reply.status === 503) throw new Problem(value.error?.includes("is busy") ? "The server is too busy for one face more." : "The server is full: all its faces are taken.", true);
  if (reply.status === 429) throw new Problem(value.error ?? "Too many pages of yours are connecting at once.", true);
  if (reply.status === 401) throw new Problem("This server wants a token: open its page as …/#token=TOKEN.");
  const gone = reply.status === 410 || reply.status === 404;
  throw new Problem(value.error ?? `The server answered ${reply.status}.`, gone || reply.status >= 500, gone);
}

/** A face on the other side. Make one with `Connection.open`. */
export class Connection {
  /** source: "mic", "sample" or "program"; watch: whose session to look on at instead, or null. changed(state): the peer connection's; told(answer): the session's. */
  static async open({ source, watch, background, identity, microphone, changed, told }) {
    const { iceServers } = await ask("GET", "ice");
    const peer = new RTCPeerConnection({ iceServers });
    const self = new Connection(peer, microphone);
    try {
      self.talk = new Talk(peer.createDataChannel("visema"), told);
      peer.addTransceiver("video", { direction: "recvonly" });
      if (microphone) peer.addTransceiver(microphone.getAudioTracks()[0], { direction: "sendrecv", streams: [microphone] });
      else peer.addTransceiver("audio", { direction: "recvonly" });
      peer.ontrack = (event) => {
        self.stream.addTrack(event.track);
        if (event.track.kind === "video" && "jitterBufferTarget" in event.receiver) event.receiver.jitterBufferTarget = FIRST_HOLD_MS;
      };
      peer.onconnectionstatechange = () => changed(peer.connectionState);
      await peer.setLocalDescription();
      await gathered(peer);
      const offer = { type: "offer", sdp: peer.localDescription.sdp, source };
      if (background) offer.background = background;
      if (identity) offer.identity = identity;
      if (watch) offer.watch = watch;
      const answer = await ask("POST", "offer", offer);
      self.id = answer.id;
      self.background = answer.background;
      self.watch = answer.watch;
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      return self;
    } catch (error) {
      self.close();
      throw error;
    }
  }

  constructor(peer, microphone) {
    this.peer = peer;
    this.microphone = microphone;
    this.stream = new MediaStream();
    this.id = null;
    this.before = null;
    this.holdMs = { audio: 0, video: FIRST_HOLD_MS };
    this.offsets = [];
    this.stepping = setInterval(() => this.#keepInStep().catch(() => {}), STEP_MS);
  }

  setBackground(colour) {
    return ask("POST", `session/${this.id}`, { background: colour });
  }

  /** Counts and times of the server's side. */
  serverStats() {
    return ask("GET", `session/${this.id}`);
  }

  close() {
    clearInterval(this.stepping);
    this.peer.onconnectionstatechange = null;
    this.peer.close();
    this.microphone?.getTracks().forEach((track) => track.stop());
    if (this.id) fetch(`session/${this.id}`, { method: "DELETE", keepalive: true, headers: allowed }).catch(() => {});
    this.id = null;
  }

  /**
   * {framesDecoded, fps, freezeCount, width, height, audioPacketsReceived, avOffsetMs, ...}.
   *
   * avOffsetMs: sound before picture is positive, after it negative; null until both play. It is the difference of
   * `estimatedPlayoutTimestamp` of the two inbound-rtp reports: the capture time, by the sender's clock (RTCP), of
   * what is leaving the loudspeaker and the screen now.
   */
  async stats() {
    const report = await this.peer.getStats();
    let video = null, audio = null, pair = null;
    for (const item of report.values()) {
      if (item.type === "inbound-rtp" && item.kind === "video") video = item;
      if (item.type === "inbound-rtp" && item.kind === "audio") audio = item;
      if (item.type === "candidate-pair" && item.nominated) pair = item;
    }
    const seen = video?.estimatedPlayoutTimestamp, heard = audio?.estimatedPlayoutTimestamp;
    return {
      framesDecoded: video?.framesDecoded ?? 0,
      fps: this.#fps(video),
      freezeCount: video?.freezeCount ?? 0,
      width: video?.frameWidth ?? 0,
      height: video?.frameHeight ?? 0,
      audioPacketsReceived: audio?.packetsReceived ?? 0,
      avOffsetMs: seen && heard ? heard - seen : null,
      framesDropped: video?.framesDropped ?? 0,
      packetsLost: (video?.packetsLost ?? 0) + (audio?.packetsLost ?? 0),
      concealedSamples: audio?.concealedSamples ?? 0,
      holdMs: { ...this.holdMs },
      videoBufferMs: mean(video?.jitterBufferDelay, video?.jitterBufferEmittedCount),
      audioBufferMs: mean(audio?.jitterBufferDelay, audio?.jitterBufferEmittedCount),
      decodeMs: mean(video?.totalDecodeTime, video?.framesDecoded),
      roundTripMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
      codec: report.get(video?.codecId)?.mimeType ?? null,
    };
  }

  /** Bring sound and picture a little nearer: less of one buffer first, then more of the other. */
  async #keepInStep() {
    const now = await this.stats();
    if (now.avOffsetMs !== null) this.offsets.push(now.avOffsetMs);
    if (this.offsets.length >= STEPS) {
      const error = this.offsets.sort((a, b) => a - b)[STEPS >> 1] - AIM_MS;
      this.offsets = [];
      const move = Math.min(MOST_AT_ONCE_MS, Math.abs(error) / 2);
      if (error > 6) this.#shift("video", "audio", move, now.audioBufferMs);
      if (error < -6) this.#shift("audio", "video", move, 0);
    }
    for (const receiver of this.peer.getReceivers()) {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = this.holdMs[receiver.track.kind] || null;
    }
  }

  #shift(less, more, move, atLeast) {
    const taken = Math.min(move, this.holdMs[less]);
    this.holdMs[less] -= taken;
    if (taken < move) this.holdMs[more] = Math.min(LONGEST_HOLD_MS, Math.max(this.holdMs[more], atLeast) + move - taken);
  }

  /** Pictures per second since the last call that was at least 0.9 s ago. */
  #fps(video) {
    if (!video) return 0;
    const now = { time: video.timestamp, frames: video.framesDecoded, fps: video.framesPerSecond ?? 0 };
    const past = this.before;
    if (!past) this.before = now;
    else if (now.time - past.time >= 900) {
      now.fps = (1000 * (now.frames - past.frames)) / (now.time - past.time);
      this.before = now;
    }
    return this.before.fps;
  }
}

function mean(totalS, count) {
  return count ? (1000 * totalS) / count : null;
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return null;
  return new Promise((done) => {
    setTimeout(done, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && done());
  });
}
