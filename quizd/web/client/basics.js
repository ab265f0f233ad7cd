// What the parts of the client share: tries and their delays, what outlives a reload
// of the page, and keys that nobody guesses.

/** The tries since it last worked. Delays are milliseconds. */
export class Course {
  #tries;
  #baseMs;
  #capMs;
  #random;
  #done = 0;

  constructor({ tries, baseMs, capMs, random = Math.random }) {
    this.#tries = tries;
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /** Forget the tries so far: it worked. */
  reset() {
    this.#done = 0;
  }

  /** Return `{attempt, of, delayMs}` of the next try, or null where none is left. */
  next() {
    if (this.#done >= this.#tries) return null;
    const most = Math.min(this.#capMs, this.#baseMs * 2 ** this.#done);
    this.#done += 1;
    // From half to all of it: clients that lost one server together spread out, and
    // nobody's tries are all over before the server had a chance to come back.
    const delayMs = Math.round(most * (0.5 + this.#random() / 2));
    return { attempt: this.#done, of: this.#tries, delayMs };
  }
}

/** Resolve after *ms* milliseconds. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A value under *name* in *storage*, which may be missing, full or forbidden. */
export class Memory {
  #storage;
  #name;

  constructor(storage, name) {
    this.#storage = storage;
    this.#name = name;
  }

  /** Return what was kept, or null. */
  load() {
    try {
      return JSON.parse(this.#storage().getItem(this.#name));
    } catch {
      return null;
    }
  }

  /** Keep *value*; null forgets. Return whether that worked. */
  save(value) {
    try {
      if (value === null) this.#storage().removeItem(this.#name);
      else this.#storage().setItem(this.#name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }
}

/** Return a key that nobody guesses; also where the page did not come by https. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
