// Everything that is in Redis: the only module that knows keys and commands.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const PLACE = 2 ** 32; // as in ../lua/answers.lua
const BATCH_MAX = 500;
const script = (name) => (
  fs.readFileSync(path.join(__dirname, '..', 'lua', `${name}.lua`), 'utf8')
);

class Store {
  constructor(redis) {
    this.redis = redis;
    redis.defineCommand('enterAnswers', { numberOfKeys: 3, lua: script('answers') });
    redis.defineCommand('placeOf', { numberOfKeys: 1, lua: script('place') });
  }

  /** Adds a participant; returns how many there are. */
  async join(game, participantId, name, nowMs) {
    const replies = await this.redis.pipeline()
      .hset(game.key('names'), participantId, name)
      .zadd(game.key('board'), game.tie(nowMs), participantId)
      .zcard(game.key('board'))
      .exec();
    return replies.at(-1)[1];
  }

  /** Enters answers; returns how many there are, of how many, and what became of each. */
  async enter(game, questionId, batch) {
    const words = batch.flatMap(({ participantId, option, points, receivedMs }) => [
      participantId, `${option}:${points}:${receivedMs}`, points, game.tie(receivedMs),
    ]);
    const [answered, participants, ...rest] = await this.redis.enterAnswers(
      ...this.keys(game, questionId), ...words,
    );
    const results = batch.map((_, at) => {
      const [stands, score, rank] = rest.slice(3 * at, 3 * at + 3);
      return { stands: stands === '' ? null : unpacked(stands), score, rank };
    });
    return { everybody: answered >= participants, results };
  }

  keys(game, questionId) {
    return [
      game.key(`answers:${questionId}`), game.key('board'),
      game.key(`closed:${questionId}`),
    ];
  }

  /** Lets nobody answer any more; returns the answers by participant. */
  async closeQuestion(game, questionId) {
    const [answers, , closed] = this.keys(game, questionId);
    const replies = await this.redis.multi().set(closed, 1).hgetall(answers).exec();
    const kept = Object.entries(replies.at(-1)[1]);
    return new Map(kept.map(([name, packed]) => [name, unpacked(packed)]));
  }

  /** Returns where one participant stands. */
  async place(game, participantId) {
    const [score, rank, of] = await this.redis.placeOf(game.key('board'), participantId);
    return { score, rank, of };
  }

  /** Returns where everybody stands, by participant. */
  async places(game) {
    const words = await this.redis.zrevrange(game.key('board'), 0, -1, 'WITHSCORES');
    const places = new Map();
    const of = words.length / 2;
    let [rank, before] = [0, -1];
    for (let at = 0; at < of; at += 1) {
      const score = Math.floor(Number(words[2 * at + 1]) / PLACE);
      if (score !== before) [rank, before] = [at + 1, score];
      places.set(words[2 * at], { score, rank, of });
    }
    return places;
  }

  /** Returns the first lines of the board, as messages have them. */
  async top(game, count) {
    const board = game.key('board');
    const words = await this.redis.zrevrange(board, 0, count - 1, 'WITHSCORES');
    const ids = words.filter((_, at) => at % 2 === 0);
    if (ids.length === 0) return [];
    const names = await this.redis.hmget(game.key('names'), ...ids);
    const scores = ids.map((_, at) => Math.floor(Number(words[2 * at + 1]) / PLACE));
    return ids.map((participantId, at) => ({
      participantId,
      participantName: names[at],
      score: scores[at],
      rank: scores.indexOf(scores[at]) + 1,
    }));
  }
}

/** Answers to one question: who comes while a call is under way shares the next. */
class Answers {
  constructor(store, game, questionId, onEverybody) {
    Object.assign(this, { store, game, questionId, onEverybody });
    this.waiting = [];
    this.busy = false;
  }

  /** Returns what becomes of an answer. */
  submit(given) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ given, resolve, reject });
      if (!this.busy) this.run();
    });
  }

  async run() {
    this.busy = true;
    while (this.waiting.length > 0) {
      await this.enter(this.waiting.splice(0, BATCH_MAX));
    }
    this.busy = false;
  }

  async enter(batch) {
    try {
      const given = batch.map((one) => one.given);
      const entered = await this.store.enter(this.game, this.questionId, given);
      batch.forEach((one, at) => one.resolve(entered.results[at]));
      if (entered.everybody) this.onEverybody();
    } catch (error) {
      batch.forEach((one) => one.reject(error));
    }
  }
}

function unpacked(packed) {
  const [option, points, receivedMs] = packed.split(':').map(Number);
  return { option, points, receivedMs };
}

module.exports = { Answers, Store, PLACE };
