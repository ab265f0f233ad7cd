// The quizzes and the sessions that are open.
'use strict';

const { randomInt, randomUUID } = require('node:crypto');
const { Game } = require('./game.js');

const SETTINGS = {
  start: 'auto',
  min_participants: 3,
  countdown_s: 5,
  advance: 'timer',
  reveal_s: 6,
  scoring: 'speed',
};
const QUESTION = { time_s: 20, points: 1000 };

class Hall {
  constructor(io, store) {
    Object.assign(this, { io, store });
    this.quizzes = new Map();
    this.games = new Map();
  }

  /** Keeps a definition as quizd's authors write it; returns its id. */
  keep(definition) {
    const quizId = randomUUID();
    this.quizzes.set(quizId, {
      settings: { ...SETTINGS, ...definition.settings },
      questions: definition.questions.map((question, at) => (
        { id: `q${at + 1}`, ...QUESTION, ...question }
      )),
    });
    return quizId;
  }

  /** Opens a session and leads it; returns it, nothing for an unknown quiz. */
  open(quizId) {
    const quiz = this.quizzes.get(quizId);
    if (!quiz) return undefined;
    const pin = String(randomInt(10 ** 8)).padStart(8, '0');
    const names = { sessionId: randomUUID(), quizId, pin };
    const game = new Game(this.io, this.store, names, quiz);
    this.games.set(quizId, game);
    this.games.set(pin, game);
    game.lead();
    return game;
  }

  /** Returns the session at a quiz's id or a pin. */
  find(address) {
    return this.games.get(address);
  }

  /** Adds a participant; returns the id. */
  async join(game, name) {
    const participantId = randomUUID();
    const joined = await this.store.join(game, participantId, name, Date.now());
    const { start, min_participants: enough } = game.settings;
    if (start === 'auto' && joined === enough) game.commands.emit('command', 'start');
    return participantId;
  }
}

module.exports = { Hall };
