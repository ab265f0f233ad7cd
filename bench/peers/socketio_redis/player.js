// One player's socket: the welcome, and what becomes of what the player says.
'use strict';

const BOARD_LINES = 10;

/** Lets a socket into its game. */
async function enter(socket, store) {
  const { game, participantId } = socket.data;
  socket.onAny((type, message) => {
    reply(game, participantId, type, message, store).then(
      (said) => socket.emit(said.type, said),
      () => socket.disconnect(true),
    );
  });
  const place = await store.place(game, participantId);
  socket.join(game.sessionId);
  socket.emit('welcome', { type: 'welcome', payload: welcome(game, participantId, place) });
}

function welcome(game, participantId, place) {
  const payload = {
    sessionId: game.sessionId,
    quizId: game.quizId,
    participantId,
    epoch: 0,
    seq: game.seq,
    resumed: false,
    phase: game.phase,
    serverTime: new Date().toISOString(),
    participants: place.of,
    you: place,
  };
  return game.open === null ? payload : { ...payload, question: game.question() };
}

const refused = (reason, details) => ({ type: 'error', payload: { reason, details } });

/** Returns the reply to an event; its argument is a whole message, or its payload. */
async function reply(game, participantId, type, message, store) {
  if (message === null || typeof message !== 'object') {
    return refused('invalid_message', { field: 'message' });
  }
  const payload = message.payload ?? message;
  if (type === 'answer_submission') return submit(game, participantId, payload);
  if (type === 'get_leaderboard') {
    const leaderboard = await store.top(game, BOARD_LINES);
    return { type: 'leaderboard_data', payload: { leaderboard } };
  }
  if (type === 'heartbeat') {
    return { type, payload: { serverTime: new Date().toISOString() } };
  }
  return refused('unknown_type', { type });
}

/** Returns why an answer does not count, undefined where it may. */
function objection(game, { questionId, selectedOption }, nowMs) {
  const { open } = game;
  if (typeof questionId !== 'string') {
    return refused('invalid_message', { field: 'questionId' });
  }
  if (open?.asked.id !== questionId) {
    const known = game.quiz.questions.some(({ id }) => id === questionId);
    return refused(known ? 'too_late' : 'unknown_question', { questionId });
  }
  if (!open.asked.options.includes(selectedOption)) {
    return refused('invalid_option', { questionId, field: 'selectedOption' });
  }
  return nowMs > open.endMs ? refused('too_late', { questionId }) : undefined;
}

async function submit(game, participantId, payload) {
  const receivedMs = Date.now();
  const objected = objection(game, payload, receivedMs);
  if (objected) return objected;
  const { questionId } = payload;
  const { answers, asked } = game.open;
  const option = asked.options.indexOf(payload.selectedOption);
  const points = game.worth(option, receivedMs);
  const given = { participantId, option, points, receivedMs };
  const { stands, score, rank } = await answers.submit(given);
  if (stands === null) return refused('too_late', { questionId });
  if (stands.option !== option) return refused('already_answered', { questionId });
  if (stands.receivedMs === receivedMs && points > 0) game.scoreChanged();
  return {
    type: 'answer_result',
    payload: {
      questionId,
      accepted: true,
      receivedAt: new Date(stands.receivedMs).toISOString(),
      correct: asked.options[option] === asked.correct[0],
      points: stands.points,
      score,
      rank,
    },
  };
}

module.exports = { enter };
