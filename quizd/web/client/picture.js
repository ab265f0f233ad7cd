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
  title: "", // the quiz's
  phase: "lobby",
  before: "lobby", // the phase that a pause has interrupted
  participants: 0,
  locked: false, // whether nobody can join
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
    const { phase, epoch, seq, reveal } = payload;
    const asked = payload.question ?? reveal?.question;
    const shown = asked ? question(asked) : null;
    const same = epoch === last.epoch && seq === last.seq;
    return {
      epoch,
      seq,
      versions: {},
      sessionId: payload.sessionId,
      quizId: payload.quizId,
      pin: payload.pin ?? null,
      title: payload.title ?? "",
      phase,
      before: phase === "paused" ? interrupted(payload) : phase,
      participants: payload.participants,
      locked: payload.locked ?? false,
      you: payload.you,
      startsAtMs: payload.startsAt ? Date.parse(payload.startsAt) : null,
      question: shown,
      open: Boolean(payload.question),
      answer: answerTo(shown, last.answer),
      reveal: same && last.reveal ? last.reveal : closed(reveal),
      leaderboard: unless(last.leaderboard, payload.leaderboard ?? []),
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
  host_state: (payload, last) => ({
    host: payload,
    participants: payload.participants,
    locked: payload.locked ?? last.locked,
  }),
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
function interrupted({ question: asked, reveal }) {
  if (asked) return "question";
  return reveal ? "reveal" : "starting";
}

/** Return a welcome's reveal as `question_closed` tells it; null for none. */
function closed(told) {
  if (!told) return null;
  const { question: asked, ...truth } = told;
  return { questionId: asked.questionId, ...truth };
}

/** Return *before* where *now* is the same, so that nobody draws it again. */
function unless(before, now) {
  return JSON.stringify(before) === JSON.stringify(now) ? before : now;
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
