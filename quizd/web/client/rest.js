// The REST calls that players and hosts need, and their errors by name.

import { sleep } from "./basics.js";

const TRANSIENT = new Set([408, 425, 429]);
const RETRY_AFTER_MAX_MS = 10_000;

/** The server said no: HTTP *status* and the problem's *code* (RFC 9457). */
export class Refused extends Error {
  constructor(status, problem, retryAfterMs) {
    super(problem.detail ?? problem.code ?? `HTTP ${status}`);
    this.name = "Refused";
    this.status = status;
    this.code = problem.code ?? "internal";
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may work later. */
  get passing() {
    return this.status >= 500 || TRANSIENT.has(this.status);
  }
}

/** No answer came, or none that is from a quizd. */
export class Unreachable extends Error {
  constructor(cause) {
    super(`the server can't be reached: ${cause?.message ?? cause}`, { cause });
    this.name = "Unreachable";
    this.code = "unreachable";
    this.passing = true;
    this.retryAfterMs = 0;
  }
}

/** Calls to the quizd at *base*, an origin such as `https://quiz.example.org`. */
export class Rest {
  constructor(base, { timeoutMs = 8000 } = {}) {
    this.base = base.replace(/\/$/, "");
    this.timeoutMs = timeoutMs;
  }

  /** Return the JSON of a call; throw `Refused` or `Unreachable`. */
  async call(method, path, { body, token, headers = {}, signal } = {}) {
    const late = AbortSignal.timeout(this.timeoutMs);
    const answer = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: signal ?? late,
    }).catch((error) => {
      throw new Unreachable(error);
    });
    const given = await json(answer);
    if (answer.ok) return given;
    throw new Refused(answer.status, problem(answer, given), retryAfterMs(answer));
  }

  /**
   * Join the quiz with this id or PIN and return the ticket. All tries carry *key*, so
   * that they make one participant; *token* of an earlier ticket gets that one back.
   * *tell* hears of each try but the first: `{attempt, of, delayMs, error}`.
   */
  async join(
    quiz,
    name,
    { key, token, tries = 3, intervalMs = 1000, tell = () => {} },
  ) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.call("POST", `/quizzes/${encodeURIComponent(quiz)}/join`, {
          body: { participantName: name },
          headers: { "Idempotency-Key": key },
          token,
        });
      } catch (error) {
        if (!error.passing || attempt >= tries) throw error;
        const delayMs = Math.max(intervalMs, error.retryAfterMs);
        tell({ attempt: attempt + 1, of: tries, delayMs, error });
        await sleep(delayMs);
      }
    }
  }

  /** Return what can be joined now: `[{quizId, title, phase, participants, …}]`. */
  async joinable(limit = 50) {
    return (await this.call("GET", `/quizzes?joinable=true&limit=${limit}`)).quizzes;
  }

  /** Return the whole picture, as a welcome has it. */
  state(quizId, token) {
    return this.call("GET", `/quizzes/${encodeURIComponent(quizId)}/state`, { token });
  }

  /** Answer the open question; return its `answer_result`. */
  answer(quizId, token, body) {
    const path = `/quizzes/${encodeURIComponent(quizId)}/answers`;
    return this.call("POST", path, { token, body });
  }

  /** Return `{leaderboard, total, you}` from line *offset* on, counted from 0. */
  leaderboard(quizId, token, offset = 0, limit = 100) {
    const query = `offset=${offset}&limit=${limit}`;
    const path = `/quizzes/${encodeURIComponent(quizId)}/leaderboard?${query}`;
    return this.call("GET", path, { token });
  }

  /** Do what a host's message `host_<command>` does. */
  command(quizId, token, command, body = {}) {
    const path = `/quizzes/${encodeURIComponent(quizId)}/${command}`;
    return this.call("POST", path, { token, body });
  }
}

async function json(answer) {
  const given = await answer.json().catch(() => null);
  if (given && typeof given === "object") return given;
  if (answer.ok) throw new Unreachable("what answers is no quizd");
  return {};
}

/** Return a problem of quizd's; what a proxy says in its place has no code for us. */
function problem(answer, given) {
  const type = answer.headers.get("Content-Type") ?? "";
  return type.startsWith("application/problem+json") ? given : {};
}

function retryAfterMs(answer) {
  const seconds = Number(answer.headers.get("Retry-After"));
  return Math.min(RETRY_AFTER_MAX_MS, (Number.isFinite(seconds) ? seconds : 0) * 1000);
}
