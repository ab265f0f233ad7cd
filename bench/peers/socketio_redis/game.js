// A session: its phases, led by timer and by the host's commands, and its broadcasts.
'use strict';

const { EventEmitter } = require('node:events');
const { Answers, PLACE } = require('./store.js');

const BOARD_EVERY_MS = 100;
const BOARD_LINES = 10;
const FINAL_LINES = 100;
const QUICK_MS = 500;
const iso = (ms) => new Date(ms).toISOString();

class Game {
  constructor(io, store, names, quiz) {
    Object.assign(this, names, { io, store, quiz });
    this.openedMs = Date.now();
    this.phase = 'lobby';
    this.seq = 0;
    this.version = 0;
    this.open = null; // the open question: asked, index, startMs, endMs, answers
    this.commands = new EventEmitter();
    this.boardTimer = null;
    this.boardChanged = false;
  }

  key(name) {
    return `{${this.sessionId}}:${name}`;
  }

  /** Returns a board's score for nothing: who comes first is listed first. */
  tie(nowMs) {
    return PLACE - 1 - (nowMs - this.openedMs);
  }

  get settings() {
    return this.quiz.settings;
  }

  // -- leading ---------------------------------------------------------------------

  /** Leads from the lobby to the end. */
  async lead() {
    if (await this.until(['start'])) await this.play();
    this.turn('ended', 'quiz_ended', {
      finalLeaderboard: await this.store.top(this, FINAL_LINES),
    }, await this.ownParts(null));
  }

  async play() {
    const countdownMs = this.settings.countdown_s * 1000;
    const startsAt = iso(Date.now() + countdownMs);
    this.turn('starting', 'quiz_starting', {
      startsAt, inSeconds: this.settings.countdown_s,
    });
    let goesOn = await this.until([], countdownMs);
    for (let index = 0; goesOn && index < this.quiz.questions.length; index += 1) {
      await this.ask(index);
      goesOn = await this.reveal();
    }
  }

  async ask(index) {
    const asked = this.quiz.questions[index];
    const startMs = Date.now();
    const endMs = startMs + Math.round(asked.time_s * 1000);
    const answers = new Answers(
      this.store, this, asked.id, () => this.commands.emit('command', asked.id),
    );
    this.open = { asked, index, startMs, endMs, answers };
    this.turn('question', 'new_question', this.question());
    await this.until(['next', asked.id], endMs - Date.now());
  }

  async reveal() {
    const { asked } = this.open;
    const answers = await this.store.closeQuestion(this, asked.id);
    this.open = null;
    const counts = asked.options.map(() => 0);
    answers.forEach(({ option }) => { counts[option] += 1; });
    this.turn('reveal', 'question_closed', {
      questionId: asked.id,
      correctOptions: asked.correct,
      distribution: asked.options.map((option, at) => ({ option, count: counts[at] })),
      answered: answers.size,
    }, await this.ownParts(outcomesOf(asked, answers)));
    const byTimer = this.settings.advance === 'timer';
    return this.until(['next'], byTimer ? this.settings.reveal_s * 1000 : null);
  }

  /** Waits for one of the commands, or so long; false where the host ends the quiz. */
  until(commands, timeoutMs = null) {
    return new Promise((resolve) => {
      const done = (goesOn) => {
        clearTimeout(timer);
        this.commands.off('command', hear);
        resolve(goesOn);
      };
      const hear = (name) => {
        if (name === 'end' || commands.includes(name)) done(name !== 'end');
      };
      const timer = timeoutMs === null ? null : setTimeout(done, timeoutMs, true);
      this.commands.on('command', hear);
    });
  }

  // -- broadcasts ------------------------------------------------------------------

  /** Enters a phase and tells everybody, with an own part where there are such. */
  turn(phase, type, payload, ownPart = null) {
    this.phase = phase;
    this.seq += 1;
    const message = { type, seq: this.seq, payload };
    if (ownPart === null) {
      this.io.to(this.sessionId).emit(type, message);
      return;
    }
    for (const id of this.io.of('/').adapter.rooms.get(this.sessionId) ?? []) {
      const socket = this.io.sockets.sockets.get(id);
      const you = ownPart(socket.data.participantId);
      socket.emit(type, { ...message, payload: { ...payload, you } });
    }
  }

  /** Returns what gives a participant's own part of a message. */
  async ownParts(outcomeOf) {
    const places = await this.store.places(this);
    const nobody = { score: 0, rank: places.size, of: places.size };
    return (participantId) => ({
      ...(outcomeOf === null ? {} : outcomeOf(participantId)),
      ...(places.get(participantId) ?? nobody),
    });
  }

  /** Shows the board soon, at most ten times a second. */
  scoreChanged() {
    this.boardChanged = true;
    if (this.boardTimer === null) this.showBoard();
  }

  async showBoard() {
    this.boardChanged = false;
    this.boardTimer = setTimeout(() => {
      this.boardTimer = null;
      if (this.boardChanged) this.showBoard();
    }, BOARD_EVERY_MS);
    const leaderboard = await this.store.top(this, BOARD_LINES);
    this.version += 1;
    this.io.to(this.sessionId).emit('leaderboard_changed', {
      type: 'leaderboard_changed', version: this.version, payload: { leaderboard },
    });
  }

  /** Returns the payload of new_question for the open question. */
  question() {
    const { asked, index, startMs, endMs } = this.open;
    return {
      questionId: asked.id,
      text: asked.text,
      options: asked.options,
      startTime: iso(startMs),
      endTime: iso(endMs),
      index,
      total: this.quiz.questions.length,
      questionType: 'single_choice',
      points: asked.points,
    };
  }

  /** Returns the points of an option: round(P · (1 - (t / T) / 2)), P within 500 ms. */
  worth(option, nowMs) {
    const { asked, startMs, endMs } = this.open;
    if (asked.options[option] !== asked.correct[0]) return 0;
    const elapsedMs = Math.max(nowMs - startMs, 0);
    if (this.settings.scoring !== 'speed' || elapsedMs <= QUICK_MS) return asked.points;
    return Math.floor(asked.points * (1 - elapsedMs / (endMs - startMs) / 2) + 0.5);
  }
}

/** Returns what tells the outcome of a participant's answer. */
function outcomesOf(asked, answers) {
  const right = asked.options.indexOf(asked.correct[0]);
  return (participantId) => {
    const given = answers.get(participantId);
    return { correct: given?.option === right, points: given?.points ?? 0 };
  };
}

module.exports = { Game };
