// The quiz on Node, socket.io and Redis, the way such a thing is usually built.
//
// One process: socket.io with the WebSocket as its only transport and the Redis adapter,
// so that more processes could be put beside it. Answers and scores are in Redis.
// Done for speed: bufferutil, no compression, the upgrade requests let go, one script
// call for all answers that arrive while the one before is under way.
//
// node server.js --redis URL [--port PORT]
'use strict';

const http = require('node:http');
const { randomBytes } = require('node:crypto');
const { Redis } = require('ioredis');
const { createAdapter } = require('@socket.io/redis-adapter');
const { Server } = require('socket.io');
const { BACKLOG, fanOut, message, obey, option } = require('../node/control.js');
const { Hall } = require('./hall.js');
const { answer } = require('./rest.js');
const { enter } = require('./player.js');
const { Store } = require('./store.js');
const { Tokens } = require('./tokens.js');

const PING_MS = 25_000;
const PATIENCE_MS = 20_000;

const publisher = new Redis(option('--redis'));
const subscriber = publisher.duplicate();
const server = http.createServer();
const io = new Server(server, {
  transports: ['websocket'],
  adapter: createAdapter(publisher, subscriber),
  perMessageDeflate: false,
  serveClient: false,
  pingInterval: PING_MS,
  pingTimeout: PATIENCE_MS,
});
const store = new Store(publisher.duplicate());
const tokens = new Tokens(randomBytes(32));
const hall = new Hall(io, store);

io.use((socket, next) => {
  const { quizId, participantId, token } = socket.handshake.query;
  const game = hall.find(quizId);
  if (!game) return next(new Error('session_not_found'));
  if (!tokens.knows(token, game.sessionId, participantId)) {
    return next(new Error('unauthorized'));
  }
  Object.assign(socket.data, { game, participantId });
  return next();
});
io.on('connection', (socket) => {
  socket.conn.request = null; // some KiB that nobody needs any more
  enter(socket, store).catch(() => socket.disconnect(true));
});
server.on('request', (request, response) => {
  if (!request.url.startsWith('/socket.io/')) answer(request, response, hall, tokens);
});

/** Sends a bench message to all, as any other event. */
function send(seq, bytes) {
  const wrapped = JSON.parse(message(seq, bytes));
  io.emit(wrapped.type, wrapped);
}

server.listen(Number(option('--port', 0)), '127.0.0.1', BACKLOG, () => {
  obey(server.address().port, fanOut(send, () => io.sockets.sockets.size));
});
