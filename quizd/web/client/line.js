// The line to the server: a socket until it breaks, polling where there is none, and
// the server's clock, read over either.

// The first heartbeats come soon, so that the clock is right before the first question.
const FIRST_HEARTBEATS_MS = [0, 300, 1000, 3000];

export const LOST = 1006;
const GARBLED = 4900;
const LEFT = 1000;

/**
 * Return the address and subprotocols of *ticket*'s socket; with the *picture*'s epoch
 * and seq, to resume. The token travels as a subprotocol, which no log shows, unless
 * *tokenIn* is "query".
 */
export function address(ticket, picture, { base, tokenIn }) {
  const url = new URL(ticket.wsUrl);
  const own = new URL(base);
  // A proxy that speaks TLS for a server that doesn't know: a page may not mix the two.
  if (own.protocol === "https:" && url.host === own.host) url.protocol = "wss:";
  const query = {
    quizId: ticket.quizId,
    participantId: ticket.participantId,
    role: ticket.role === "host" ? "host" : null,
    epoch: picture.epoch,
    after: picture.epoch === null ? null : picture.seq,
    token: tokenIn === "query" ? ticket.token : null,
  };
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  const bearer = tokenIn === "query" ? [] : [`bearer.${ticket.token}`];
  return [url.href, ["quizd.v1", ...bearer]];
}

/**
 * A connection. `onMessage(message)` hears every message; `onEnd(code)` hears once that
 * it is over. A heartbeat without an answer counts as an end: pings are not for pages
 * to see.
 */
export class Visit {
  /** When the first welcome came, by `stamp`; null before it. */
  welcomedAt = null;
  #socket = null;
  #ended = false;
  #timers = new Set();
  #silence = null;
  #options;

  constructor([url, protocols], options) {
    this.#options = options;
    try {
      this.#socket = new WebSocket(url, protocols);
    } catch {
      this.#after(0, () => this.end(LOST));
      return;
    }
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = ({ code }) => this.end(code);
    this.#expect(options.connectTimeoutMs);
  }

  /** Send a message; return whether it could be. */
  send(type, payload = {}) {
    if (this.#ended || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ type, payload }));
    return true;
  }

  /**
   * Send a heartbeat. What counts is the answer to it, not time alone: timers of pages
   * that nobody looks at come late.
   */
  ask() {
    if (!this.send("heartbeat", { sentAt: this.#options.stamp() })) return;
    this.#expect(this.#options.silenceMs);
  }

  /** End it, with *code* as if the server had closed. */
  end(code = LEFT) {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#socket) {
      this.#socket.onmessage = this.#socket.onclose = null;
      // While it is still connecting, closing writes an error into the console.
      if (this.#socket.readyState === WebSocket.CONNECTING) {
        const late = this.#socket;
        late.onopen = () => late.close(LEFT);
      } else this.#socket.close(LEFT);
    }
    this.#options.onEnd(code);
  }

  #after(ms, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #take(data) {
    this.#heard();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.end(GARBLED);
      return;
    }
    if (message.type === "welcome" && this.welcomedAt === null) {
      this.welcomedAt = this.#options.stamp();
      this.#beat(0);
    }
    this.#options.onMessage(message, this);
  }

  #heard() {
    clearTimeout(this.#silence);
    this.#timers.delete(this.#silence);
    this.#silence = null;
  }

  /** End it unless something is heard in time, counted from now. */
  #expect(withinMs) {
    this.#silence ??= this.#after(withinMs, () => this.end(LOST));
  }

  #beat(number) {
    const delayMs = FIRST_HEARTBEATS_MS[number] ?? this.#options.heartbeatMs;
    this.#after(delayMs, () => {
      this.ask();
      this.#beat(number + 1);
    });
  }
}

/**
 * Asks again and again until it is stopped. *seat* has `ask()`, a promise of a picture;
 * `heard(payload, sentAt)`; `failed(error)`, after which it has stopped; and `stamp()`.
 */
export class Poller {
  #seat;
  #pollMs;
  #timer = null;
  #round = 0;

  constructor(seat, pollMs) {
    this.#seat = seat;
    this.#pollMs = pollMs;
  }

  /** Ask now, and from then on. */
  async start() {
    this.stop();
    const round = this.#round;
    const sentAt = this.#seat.stamp();
    try {
      const payload = await this.#seat.ask();
      if (round !== this.#round) return;
      // Players who came together shall not ask together.
      const delayMs = this.#pollMs * (0.75 + Math.random() / 2);
      this.#timer = setTimeout(() => this.start(), delayMs);
      this.#seat.heard(payload, sentAt);
    } catch (error) {
      if (round === this.#round) this.#seat.failed(error);
    }
  }

  /** Ask no more; what is under way is not heard. */
  stop() {
    this.#round += 1;
    clearTimeout(this.#timer);
  }
}

const KEPT_SAMPLES = 8;
// A machine that slept may have stopped its own clock: what was learnt before is void.
const SLEPT_MS = 2000;
// Two clocks that both go drift apart by less while samples are kept.
const DRIFT_MS = 50;

/** The server's clock, read over a line of unknown delay. Times are milliseconds. */
export class ServerClock {
  #own;
  #samples = [];
  #hintMs = null;

  /** *own*: a clock that only goes forward, whatever it counts from. */
  constructor(own = () => performance.now()) {
    this.#own = own;
  }

  /** Return our own clock's time, which heartbeats carry. */
  stamp() {
    return this.#own();
  }

  /** Take a time that was under way for who knows how long: better than none. */
  hint(serverMs) {
    this.#hintMs = serverMs - this.#own();
    const slept = Math.abs(this.#hintMs - this.offsetMs) > SLEPT_MS;
    if (slept) this.#samples = [];
  }

  /** Take the answer, received now, to what was sent at *sentMs* by our clock. */
  heard(serverMs, sentMs) {
    const roundTripMs = this.#own() - sentMs;
    const offsetMs = serverMs - sentMs - roundTripMs / 2;
    // Each is wrong by half its round trip at most: what can't be right beside the
    // newest was true before our own clock stood still, or the server's was set.
    this.#samples = this.#samples.filter(
      (one) =>
        Math.abs(one.offsetMs - offsetMs) <=
        (one.roundTripMs + roundTripMs) / 2 + DRIFT_MS,
    );
    this.#samples.push({ roundTripMs, offsetMs });
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift();
  }

  /** The sample with the shortest round trip, which is wrong by half of it at most. */
  get #best() {
    return this.#samples.reduce(
      (best, next) => (best && best.roundTripMs <= next.roundTripMs ? best : next),
      null,
    );
  }

  /** What to add to our clock. Until anything was heard, the device's own is taken. */
  get offsetMs() {
    return this.#best?.offsetMs ?? this.#hintMs ?? Date.now() - this.#own();
  }

  /** Return milliseconds since the Unix epoch by the server's clock. */
  now() {
    return this.#own() + this.offsetMs;
  }
}
