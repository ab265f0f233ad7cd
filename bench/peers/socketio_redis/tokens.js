// Tokens of participants and hosts.
'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');

class Tokens {
  constructor(secret) {
    this.secret = secret;
  }

  /** Returns the token of a participant's id, or of 'host'. */
  of(sessionId, who) {
    const text = `${sessionId} ${who}`;
    return createHmac('sha256', this.secret).update(text).digest('hex').slice(0, 32);
  }

  knows(token, sessionId, who) {
    const known = Buffer.from(this.of(sessionId, who));
    const given = Buffer.from(String(token));
    return given.length === known.length && timingSafeEqual(given, known);
  }
}

module.exports = { Tokens };
