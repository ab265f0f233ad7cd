// What is known of a session, kept from messages alone: no socket and no page in sight.
//
// `apply` returns a new picture and leaves the old one as it is. After a welcome with
// seq S only S+1, S+2 … may come: anything else is a Gap, and only a new welcome helps.

/** A broadcast came out of turn, so something was missed. */
export class Gap extends Error {
  constructor(due, got) {
    super(`broadcast ${got} where ${due} was due`);
    this.name = "Gap";
  }
}

export const NOTHING = Object.freeze({
  epoch: null,
  seq: null,
  phase: "lobby",
  before: "lobby", // the phase that a pause has interrupted
  participants: 0,
  newcomers: [], // the latest names, the newest first
  you: null,
  startsAtMs: null,
  question: null, // the open one; after its close it stays until the next
  open: false, // whether it takes answers, pauses aside
  answer: null, // {questionId, given, status, result, reason} of our own answer
  reveal: null, // what question_closed said of `question`
  leaderboard: [],
  host: null, // the latest host_state, for hosts
  versions: {},
});

const NEWCOMERS_MAX = 30;

/** Return the picture after *message*, or null where the message is outdated. */
export function apply(picture, message) {
  const { type, payload, seq, version } = message;
  let next = picture;
  if (seq !== undefined) {
    const due = picture.seq === null ? null : picture.seq + 1;
    if (seq !== due) throw new Gap(due, seq);
    next = { ...next, seq };
  }
  if (version !== undefined) {
    // Both kinds of board are one value.
    const kind = type === "leaderboard_data" ? "leaderboard_changed" : type;
    if (version < (picture.versions[kind] ?? 0)) return null;
    next = { ...next, versions: { ...next.versions, [kind]: version } };
  }
  const change = CHANGES[type];
  return change ? { ...next, ...change(payload, next) } : next;
}

/** Return a question as shown, with its instants as milliseconds. */
export function question(payload) {
  return {
    questionId: payload.questionId,
    text: payload.text,
    options: payload.options,
    startMs: Date.parse(payload.startTime),
    endMs: Date.parse(payload.endTime),
    index: payload.index ?? 0,
    total: payload.total ?? 1,
    type: payload.questionType ?? "single_choice",
    points: payload.points ?? 1000,
    media: payload.media ?? null,
    answered: payload.answered ?? false,
    remainingMs: payload.remainingMs ?? null,
  };
}

const CHANGES = {
  welcome: (payload, last) => {
    const shown = payload.question ? question(payload.question) : null;
    // Nothing was missed, so what a welcome does not tell is still as it was.
    const same = payload.epoch === last.epoch && payload.seq === last.seq;
    const kept = same ? last.question : null;
    const phase = payload.phase;
    return {
      epoch: payload.epoch,
      seq: payload.seq,
      versions: {},
      sessionId: payload.sessionId,
      quizId: payload.quizId,
      pin: payload.pin ?? null,
      phase,
      before: phase === "paused" ? beforePause(payload, last, same) : phase,
      participants: payload.participants,
      you: payload.you,
      startsAtMs: payload.startsAt ? Date.parse(payload.startsAt) : null,
      question: shown ?? kept,
      open: shown !== null,
      answer: answerTo(shown ?? kept, last.answer),
      reveal: same && !shown ? last.reveal : null,
      leaderboard: payload.leaderboard ?? [],
    };
  },
  participants_changed: (payload, last) => ({
    participants: payload.participants,
    newcomers: [...payload.joined]
      .reverse()
      .concat(last.newcomers)
      .slice(0, NEWCOMERS_MAX),
    you: last.you?.of ? { ...last.you, of: payload.participants } : last.you,
  }),
  quiz_starting: (payload) => ({
    phase: "starting",
    startsAtMs: Date.parse(payload.startsAt),
  }),
  new_question: (payload) => ({
    phase: "question",
    question: question(payload),
    open: true,
    answer: null,
    reveal: null,
    startsAtMs: null,
  }),
  answer_result: (payload, last) => ({
    you: moved(last.you, payload),
    answer:
      last.answer?.questionId === payload.questionId
        ? { ...last.answer, status: "accepted", result: payload }
        : last.answer,
  }),
  question_closed: (payload, last) => ({
    phase: "reveal",
    open: false,
    reveal: payload,
    you: moved(last.you, payload.you),
  }),
  leaderboard_changed: board,
  leaderboard_data: board,
  quiz_paused: (payload, last) => ({
    phase: "paused",
    before: last.phase,
    question: last.open
      ? stopped(last.question, Date.parse(payload.at))
      : last.question,
  }),
  quiz_resumed: (payload, last) => ({
    phase: last.before,
    startsAtMs: payload.startsAt ? Date.parse(payload.startsAt) : null,
    question: last.open ? resumed(last.question, payload) : last.question,
  }),
  quiz_ended: (payload, last) => ({
    phase: "ended",
    open: false,
    leaderboard: payload.finalLeaderboard,
    you: moved(last.you, payload.you),
  }),
  host_state: (payload) => ({ host: payload, participants: payload.participants }),
};

function board(payload, last) {
  return { leaderboard: payload.leaderboard, you: moved(last.you, payload.you) };
}

/** Return *you* at its new place; a host has none. */
function moved(you, place) {
  if (!you || !place) return you;
  const { score, rank, of, streak } = { ...you, ...place };
  return { ...you, score, rank, of, streak };
}

function answerTo(shown, answer) {
  return answer && answer.questionId === shown?.questionId ? answer : null;
}

/** A welcome does not say what a pause has interrupted, but it shows. */
function beforePause(payload, last, same) {
  if (payload.question) return "question";
  if (same && last.phase === "paused") return last.before;
  return payload.leaderboard ? "reveal" : "starting";
}

/** Return the question with what is left of it at *atMs*, when its clock stopped. */
function stopped(shown, atMs) {
  const leftMs = shown.endMs - Math.max(atMs, shown.startMs);
  return { ...shown, remainingMs: Math.max(leftMs, 0) };
}

/** Return the question with its clock going again: all of it has moved. */
function resumed(shown, payload) {
  const endMs = payload.endTime ? Date.parse(payload.endTime) : shown.endMs;
  const movedMs = endMs - shown.endMs;
  return { ...shown, endMs, startMs: shown.startMs + movedMs, remainingMs: null };
}
