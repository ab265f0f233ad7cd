// Answers: as the server takes them, and on their way until it has said yes or no.
//
// The same answer twice costs nothing: the first one stands, and the second is told its
// result. So whenever it is unclear what the server has, the answer is sent again.

const FIELD = {
  single_choice: "selectedOption",
  multiple_choice: "selectedOptions",
  true_false: "selectedOption",
  poll: "selectedOption",
  text: "text",
  numeric: "number",
  ordering: "order",
};

// With these the server has not decided, and asks to have the answer again.
const PASSING = new Set(["shard_unavailable", "internal"]);

/**
 * Return the payload of an `answer_submission`. *given* is an option's text, a list of
 * them (several options, or all in their order), a text or a number. A type that is
 * newer than this file is answered by the kind of value.
 */
export function answerBody(question, given, atMs) {
  const field = FIELD[question.type] ?? fieldOf(given);
  return {
    questionId: question.questionId,
    [field]: given,
    answeredAt: new Date(atMs).toISOString(),
  };
}

function fieldOf(given) {
  if (Array.isArray(given)) return "selectedOptions";
  return typeof given === "number" ? "number" : "selectedOption";
}

/** An Error whose `code` is the server's reason. */
export function named(code) {
  return Object.assign(new Error(code), { code });
}

/**
 * The answers of one client. *seat* is its `{picture, change, send, post, now}`: `send`
 * speaks over the socket, `post` by REST and returns a promise of the result, or null
 * where the socket is the way.
 */
export class Answering {
  #seat;
  #resendMs;
  #timer = null;
  #waiting = null;

  constructor(seat, resendMs) {
    this.#seat = seat;
    this.#resendMs = resendMs;
  }

  /** Answer the open question; the promise holds the result. */
  give(given) {
    const { question, answer, open } = this.#seat.picture();
    if (!open) return Promise.reject(named("question_not_open"));
    if (answer && answer.status !== "refused") {
      return Promise.reject(named("already_answered"));
    }
    const body = answerBody(question, given, this.#seat.now());
    const { questionId } = question;
    this.#seat.change({ answer: { questionId, given, body, status: "sending" } });
    return new Promise((resolve, reject) => {
      this.#waiting = { questionId, resolve, reject };
      this.push();
    });
  }

  /** Send the answer that waits for its result, by whatever way there is. */
  push() {
    clearTimeout(this.#timer);
    const { answer } = this.#seat.picture();
    if (answer?.status !== "sending") return;
    this.#timer = setTimeout(() => this.push(), this.#resendMs);
    const posted = this.#seat.post(answer);
    if (posted === null) this.#seat.send("answer_submission", answer.body);
  }

  /** After a welcome: ask for the result where the picture lacks it. */
  welcomed() {
    const { answer, question, open } = this.#seat.picture();
    if (open && answer?.status === "accepted" && !question.answered) {
      const { questionId, given, body } = answer;
      this.#seat.change({ answer: { questionId, given, body, status: "sending" } });
    }
    this.push();
  }

  /** Take an `answer_result` in, which the picture has already. */
  accepted(result) {
    clearTimeout(this.#timer);
    this.#settle(result.questionId)?.resolve(result);
  }

  /** Take an `error` in: only one that names our question is about our answer. */
  refused({ reason, details }) {
    const { answer } = this.#seat.picture();
    const ours = answer && answer.questionId === details?.questionId;
    if (!ours || answer.status !== "sending" || PASSING.has(reason)) return;
    clearTimeout(this.#timer);
    this.#seat.change({ answer: { ...answer, status: "refused", reason } });
    this.#settle(answer.questionId)?.reject(named(reason));
  }

  /** Tell whoever still waits that no result will come. */
  forsake(reason) {
    clearTimeout(this.#timer);
    this.#waiting?.reject(named(reason));
    this.#waiting = null;
  }

  #settle(questionId) {
    const waiting = this.#waiting?.questionId === questionId ? this.#waiting : null;
    if (waiting) this.#waiting = null;
    return waiting;
  }
}
