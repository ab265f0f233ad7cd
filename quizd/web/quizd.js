// The client of a quizd server for browsers: joins, plays, and comes back after breaks.
//
//   import { QuizClient } from "https://quiz.example.org/quizd.js";
//   const client = new QuizClient({ base: "https://quiz.example.org" });
//   client.addEventListener("change", () => show(client.state, client.picture));
//   await client.join("123456", "Ann");
//   await client.answer("mice");
//
// docs/client-js.md describes it.

import { Answering } from "./client/answering.js";
import { Course, Memory, randomKey } from "./client/basics.js";
import { LOST, Poller, ServerClock, Visit, address } from "./client/line.js";
import { Gap, NOTHING, apply } from "./client/picture.js";
import { Refused, Rest, Unreachable } from "./client/rest.js";
import { DEFAULTS, STATES, advice } from "./client/rules.js";

export { DEFAULTS, Gap, NOTHING, Refused, Rest, STATES, ServerClock };
export { Unreachable, advice, apply };

// So many connections in a row without a welcome, and REST is tried instead.
const SOCKETS_BEFORE_POLLING = 2;
const FORGET_AFTER = new Set(["removed", "unauthorized", "session_not_found", "over"]);
// After these from quizd itself there is no way back; a proxy's word is not the last.
const FATAL = {
  unauthorized: "unauthorized",
  forbidden: "removed",
  session_not_found: "session_not_found",
};

/**
 * A participant, or a host. Fires `change` after any change and `message`, whose
 * `detail` is the message, for whatever the server says.
 */
export class QuizClient extends EventTarget {
  state = "idle";
  /** `{reason, attempt, of, delayMs}` as far as the state has them. */
  info = {};
  picture = NOTHING;
  /** What joining or opening gave: `{quizId, participantId, token, wsUrl, role, …}`. */
  ticket = null;

  #options;
  #clock;
  #course;
  #memory;
  #visit = null;
  #background = null;
  #barren = 0;
  #timer = null;
  #calledBack = false;
  #answering;
  #poller;

  /** *options*: any of DEFAULTS, `base`, an origin, and `storage`, a Storage. */
  constructor(options = {}) {
    super();
    this.#options = { base: globalThis.location?.origin, ...DEFAULTS, ...options };
    this.rest = new Rest(this.#options.base);
    this.#clock = new ServerClock();
    this.#course = new Course(this.#options);
    const { memory, storage } = this.#options;
    this.#memory = new Memory(() => storage ?? sessionStorage, memory);
    this.#answering = new Answering(this.#answeringSeat(), this.#options.resendMs);
    this.#poller = new Poller(this.#pollingSeat(), this.#options.pollMs);
    globalThis.addEventListener?.("online", () => this.retryNow());
    globalThis.addEventListener?.("pagehide", () => this.#save());
    globalThis.document?.addEventListener("visibilitychange", () => this.#seen());
  }

  /** Milliseconds since the Unix epoch by the server's clock. */
  now() {
    return this.#clock.now();
  }

  // -- coming in -------------------------------------------------------------------

  /**
   * Join a quiz by its id or PIN and connect. Throws `Refused` or `Unreachable`; the
   * client is idle again then. The same *key* gets the same participant back.
   */
  async join(quiz, name, { key = randomKey() } = {}) {
    const { joinTries: tries, joinIntervalMs: intervalMs } = this.#options;
    const tell = (info) => this.#become("joining", info);
    this.#stop();
    this.#become("joining", { attempt: 1, of: tries });
    try {
      const ticket = await this.rest.join(quiz, name, { key, tries, intervalMs, tell });
      this.#begin({ ...ticket, role: "player" });
    } catch (error) {
      this.#become("idle");
      throw error;
    }
  }

  /** Lead a session, with what opening it gave: `{quizId, hostToken, wsUrl, …}`. */
  host({ hostToken, ...opened }) {
    this.#begin({ ...opened, token: hostToken, role: "host" });
  }

  /** Go on with what was kept before a reload; return false where there is nothing. */
  resume() {
    const kept = this.#memory.load();
    if (!kept?.ticket?.token) return false;
    const picture = { ...NOTHING, ...kept.picture, versions: {} };
    if (picture.phase === "ended") {
      Object.assign(this, { ticket: kept.ticket, picture });
      this.#become("ended");
    } else this.#begin(kept.ticket, picture);
    return true;
  }

  /** Begin again after a failure. */
  retry() {
    if (this.state === "failed" && this.ticket) this.#begin(this.ticket, this.picture);
  }

  /** Try at once what is waiting for its turn. */
  retryNow() {
    if (this.state === "waiting") this.#connect();
  }

  /** Go away for good. */
  leave() {
    this.#stop();
    this.#memory.save(null);
    this.ticket = null;
    this.picture = NOTHING;
    this.#become("idle");
  }

  #begin(ticket, picture = NOTHING) {
    this.#stop();
    this.ticket = ticket;
    this.picture = picture;
    this.#course.reset();
    this.#barren = 0;
    this.#connect();
    this.#save();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#poller.stop();
    const visits = [this.#visit, this.#background];
    this.#visit = this.#background = null;
    for (const visit of visits) visit?.end();
  }

  // -- speaking --------------------------------------------------------------------

  /**
   * Answer the open question; the promise holds its `answer_result`. It is sent again
   * after every break until the server has said yes or no; the first answer stands.
   * Rejects with an Error whose `code` is the server's reason.
   */
  answer(given) {
    return this.#answering.give(given);
  }

  /** Send a message once; return whether there was a connection to send it by. */
  send(type, payload = {}) {
    return this.#visit?.welcomedAt == null ? false : this.#visit.send(type, payload);
  }

  /** Do a host's command (`start`, `next`, `kick` …), by REST: one hears what came. */
  command(name, payload = {}) {
    return this.rest.command(this.ticket.quizId, this.ticket.token, name, payload);
  }

  /** Read a part of the board: `{leaderboard, total, you}`. */
  leaderboard(offset = 0, limit = 100) {
    return this.rest.leaderboard(this.ticket.quizId, this.ticket.token, offset, limit);
  }

  #answeringSeat() {
    return {
      picture: () => this.picture,
      now: () => this.now(),
      change: (part) => {
        this.#change(part);
        this.#save();
      },
      send: (type, payload) => this.send(type, payload),
      post: (answer) => (this.state === "polling" ? this.#post(answer) : null),
    };
  }

  async #post(answer) {
    const { quizId, token } = this.ticket;
    try {
      const payload = await this.rest.answer(quizId, token, answer.body);
      this.#take({ type: "answer_result", payload });
    } catch (error) {
      if (error.passing) return; // it is sent again
      const details = { questionId: answer.questionId };
      this.#take({ type: "error", payload: { reason: error.code, details } });
    }
  }

  // -- coming and going ------------------------------------------------------------

  #connect() {
    clearTimeout(this.#timer);
    const { attempt = 1, of = this.#options.tries } = this.info;
    this.#become("connecting", { attempt, of });
    const visit = this.#open((code) => {
      if (this.#visit === visit) this.#ended(code);
    });
    this.#visit = visit;
  }

  #open(onEnd) {
    const { connectTimeoutMs, heartbeatMs, silenceMs } = this.#options;
    return new Visit(address(this.ticket, this.picture, this.#options), {
      connectTimeoutMs,
      heartbeatMs,
      silenceMs,
      stamp: () => this.#clock.stamp(),
      onMessage: (message, visit) => this.#heard(message, visit),
      onEnd,
    });
  }

  #heard(message, visit) {
    if (visit === this.#background) {
      if (message.type === "welcome") this.#adopt(visit);
      else return;
    }
    if (visit !== this.#visit) return;
    try {
      this.#take(message);
    } catch (error) {
      // A gap, or a message that is not as it should be: the next welcome repairs it.
      visit.end(LOST);
      if (!(error instanceof Gap)) console.warn("quizd: message not understood", error);
    }
  }

  #take(message) {
    const { type, payload } = message;
    if (type === "heartbeat" && typeof payload.sentAt === "number") {
      this.#clock.heard(Date.parse(payload.serverTime), payload.sentAt);
    }
    if (type === "welcome") this.#clock.hint(Date.parse(payload.serverTime));
    const next = apply(this.picture, message);
    if (next === null) return;
    this.picture = next;
    this.#react(type, payload);
    if (message.seq !== undefined || type === "answer_result") this.#save();
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
    if (this.picture.phase === "ended") this.#finish();
    else this.#tell();
  }

  #react(type, payload) {
    if (type === "welcome") this.#welcomed();
    if (type === "answer_result") this.#answering.accepted(payload);
    if (type === "error") this.#answering.refused(payload);
    if (type === "reconnect") this.#comeBack(payload.afterMs);
    if (type === "removed") this.#change({ removed: payload.reason });
  }

  #welcomed() {
    this.#barren = 0;
    if (this.state === "polling") this.#course.reset();
    else this.#become("online");
    this.#answering.welcomed();
    this.#save();
  }

  /** Play on until the server wants us back, so that little is missed. */
  #comeBack(afterMs) {
    const visit = this.#visit;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#visit !== visit) return;
      this.#calledBack = true;
      visit.end(LOST);
    }, afterMs);
  }

  #ended(code) {
    const since = this.#visit?.welcomedAt ?? null;
    this.#visit = null;
    if (this.state === "ended" || this.ticket === null) return;
    const { reconnect, name } = advice(code);
    if (!reconnect) {
      this.#fail(name);
    } else if (this.#calledBack) {
      this.#calledBack = false;
      this.#course.reset();
      this.#wait(name, { ...this.#course.next(), delayMs: 0 });
    } else {
      this.#barren = since === null ? this.#barren + 1 : 0;
      const lastedMs = since === null ? 0 : this.#clock.stamp() - since;
      if (lastedMs > this.#options.stableMs) this.#course.reset();
      if (this.#barren >= SOCKETS_BEFORE_POLLING) this.#poller.start();
      else this.#wait(name);
    }
  }

  /** Wait for the next try, or give up. */
  #wait(reason, next = this.#course.next()) {
    if (next === null) {
      this.#fail("unreachable");
      return;
    }
    this.#become("waiting", { reason, ...next });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), next.delayMs);
  }

  #fail(reason) {
    this.#stop();
    if (FORGET_AFTER.has(reason)) this.#memory.save(null);
    this.#become("failed", { reason: this.picture.removed ?? reason });
    this.#answering.forsake(reason);
  }

  #finish() {
    this.#become("ended");
    this.#stop();
  }

  /** Look whether the line still holds when somebody looks at the page again. */
  #seen() {
    if (globalThis.document.visibilityState !== "visible") return;
    if (this.state === "online") this.#visit?.ask();
    else this.retryNow();
  }

  // -- polling ---------------------------------------------------------------------

  #pollingSeat() {
    return {
      stamp: () => this.#clock.stamp(),
      ask: () => this.rest.state(this.ticket.quizId, this.ticket.token),
      heard: (payload, sentAt) => this.#polled(payload, sentAt),
      failed: (error) => this.#pollFailed(error),
    };
  }

  #polled(payload, sentAt) {
    this.#clock.heard(Date.parse(payload.serverTime), sentAt);
    if (this.state !== "polling") {
      this.#become("polling");
      this.#tryBehind(this.#options.socketFirstMs);
    }
    this.#take({ type: "welcome", payload });
  }

  #pollFailed(error) {
    this.#stop(); // also what is tried behind: two connections fight for one place
    const fatal = FATAL[error.code];
    if (fatal) this.#fail(fatal);
    else this.#wait("connection_lost");
  }

  /** Look for a socket behind the polling: the network may have changed. */
  #tryBehind(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const visit = this.#open((code) => {
        if (this.#visit === visit) this.#ended(code);
        else if (this.#background === visit) {
          this.#background = null;
          this.#tryBehind(this.#options.socketAgainMs);
        }
      });
      this.#background = visit;
    }, delayMs);
  }

  /** Go on with the connection that was tried behind the polling. */
  #adopt(visit) {
    clearTimeout(this.#timer);
    this.#poller.stop();
    this.#background = null;
    this.#visit = visit;
    this.state = "connecting";
  }

  // -- telling ---------------------------------------------------------------------

  #become(state, info = {}) {
    this.state = state;
    this.info = info;
    this.#tell();
  }

  #change(part) {
    this.picture = { ...this.picture, ...part };
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }

  #save() {
    if (this.ticket === null || this.state === "failed") return;
    this.#memory.save({ ticket: this.ticket, picture: this.picture });
  }
}
