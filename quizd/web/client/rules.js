// What a client goes by: its states, its numbers, and what to do after a close code.

/** Where a client stands; its `info` says more. */
export const STATES = Object.freeze([
  "idle", // nothing to do yet
  "joining", // asking for a ticket
  "connecting", // a connection is being made
  "online", // messages come
  "waiting", // for the next try
  "polling", // sockets are blocked: the server is asked every now and then
  "ended", // the quiz is over
  "failed", // for good, unless retry() is called; info.reason says why
]);

export const DEFAULTS = Object.freeze({
  tokenIn: "subprotocol", // or "query"
  memory: "quizd.session", // what is kept for a reload, by its name in the storage
  joinTries: 3,
  joinIntervalMs: 1000,
  tries: 12, // to connect, since the last welcome
  baseMs: 400, // the first delay between them, which doubles …
  capMs: 8000, // … up to this
  connectTimeoutMs: 8000,
  heartbeatMs: 10_000,
  silenceMs: 12_000, // after a heartbeat; then the line counts as dead
  stableMs: 5000, // a line that broke sooner does not begin the tries anew
  pollMs: 1500,
  socketFirstMs: 2000, // while polling, a socket is tried after this …
  socketAgainMs: 30_000, // … and then this often
  resendMs: 4000, // an answer without a result
});

export const CLOSE = {
  1000: { reconnect: false, name: "over" },
  1001: { reconnect: true, name: "going_away" },
  1002: { reconnect: false, name: "protocol_error" },
  1003: { reconnect: false, name: "unsupported_data" },
  1007: { reconnect: false, name: "invalid_text" },
  1009: { reconnect: false, name: "message_too_big" },
  1011: { reconnect: true, name: "internal_error" },
  1012: { reconnect: true, name: "service_restart" },
  1013: { reconnect: true, name: "try_again_later" },
  4001: { reconnect: false, name: "unauthorized" },
  4003: { reconnect: false, name: "forbidden" },
  4004: { reconnect: false, name: "session_not_found" },
  4008: { reconnect: true, name: "slow_consumer" },
  4009: { reconnect: false, name: "replaced" },
  4010: { reconnect: false, name: "removed" },
  4029: { reconnect: true, name: "rate_limited" },
};

// After a break without a close frame, or a code that nobody knows, one comes back.
const UNKNOWN = { reconnect: true, name: "connection_lost" };

/** Return `{reconnect, name}` for a WebSocket close code. */
export function advice(code) {
  return CLOSE[code] ?? UNKNOWN;
}
