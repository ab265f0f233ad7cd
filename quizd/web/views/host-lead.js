// What a host may do now, and doing it: a press is one command, and a failure is told.

// A second press may come when the first has worked already, and would mean what comes
// next. So for a moment after a move nothing is taken.
const REST_MS = 350;

/**
 * Return `{command, text}` of the main button for *picture*; null where there is
 * nothing to do. *text* is a key of the page's texts.
 */
export function mainOf({ phase, question }) {
  if (phase === "lobby") return { command: "start", text: "host.start" };
  if (phase === "starting") return { command: "next", text: "host.now" };
  if (phase === "question") return { command: "next", text: "host.close" };
  if (phase === "paused") return { command: "resume", text: "host.resume" };
  if (phase !== "reveal") return null;
  const last = question && question.index + 1 >= question.total;
  return { command: "next", text: last ? "host.finish" : "host.next" };
}

/** Fires `change` when it is busy or free, or has something to complain about. */
export class Lead extends EventTarget {
  /** The command that is under way, or null. */
  busy = null;
  /** `{command, code}` of what failed last, or null. */
  problem = null;
  #client;
  #running = null;
  #moved = "";
  #resting = null;

  constructor(client) {
    super();
    this.#client = client;
  }

  /** Whether a press that leads on counts now: not before what is next was shown. */
  get ready() {
    const shown = this.#moved === this.#step;
    return shown && this.busy === null && this.#resting === null;
  }

  get #step() {
    const { phase, question } = this.#picture;
    return `${phase} ${question?.questionId}`;
  }

  get #picture() {
    return this.#client.picture;
  }

  /** Follow the picture: after each move there is a rest. */
  follow() {
    if (this.#step === this.#moved) return;
    this.#moved = this.#step;
    this.problem = null;
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      this.#resting = null;
      this.#tell();
    }, REST_MS);
  }

  /** Do what the main button says. */
  main() {
    const due = mainOf(this.#picture);
    return due && this.ready ? this.move(due.command) : false;
  }

  /**
   * Do a command that changes what is on the screen: it says what that is, so that the
   * server does nothing where it has moved on already.
   */
  move(command) {
    if (this.busy !== null) return false;
    this.forgive();
    const { phase, question } = this.#picture;
    return this.#do(command, { expect: { phase, questionId: question?.questionId } });
  }

  /**
   * Do a command that is the same however often it comes, such as `end`: it is meant
   * whatever else is under way, so it waits for its turn.
   */
  async set(command, payload = {}) {
    this.forgive();
    while (this.busy !== null) await this.#running;
    return this.#do(command, payload);
  }

  /** Forget what failed. */
  forgive() {
    this.problem = null;
    this.#tell();
  }

  #do(command, payload) {
    this.#running = this.#ask(command, payload);
    return this.#running;
  }

  async #ask(command, payload) {
    this.busy = command;
    this.#tell();
    try {
      await this.#client.command(command, payload);
      return true;
    } catch (error) {
      this.problem = { command, code: error.code ?? "internal" };
      return false;
    } finally {
      this.busy = null;
      this.#tell();
    }
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
