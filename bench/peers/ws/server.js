// Node's ws as a fan-out server: one text, sent to every client.
'use strict';

const { WebSocketServer } = require('ws');
const { BACKLOG, fanOut, message, obey, option } = require('../node/control.js');

const PING_MS = 25_000;

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(option('--port', 0)),
  backlog: BACKLOG,
  perMessageDeflate: false,
});

server.on('connection', (socket) => socket.on('error', () => socket.terminate()));
setInterval(() => server.clients.forEach((socket) => socket.ping()), PING_MS);

function send(seq, bytes) {
  const text = Buffer.from(message(seq, bytes));
  for (const socket of server.clients) socket.send(text, { binary: false });
}

server.on('listening', () => {
  obey(server.address().port, fanOut(send, () => server.clients.size));
});
