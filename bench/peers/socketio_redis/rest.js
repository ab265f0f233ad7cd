// The calls of quizd's REST interface that a load needs.
'use strict';

const PATH = /^\/api\/v1\/quizzes(?:\/([^/]+)\/(\w+))?$/;
const COMMANDS = ['start', 'next', 'end'];

/** Answers a request. */
async function answer(request, response, hall, tokens) {
  let [status, body] = [500, { code: 'internal' }];
  try {
    [status, body] = await route(request, hall, tokens);
  } catch (error) {
    if (error instanceof SyntaxError) [status, body] = [400, { code: 'invalid_message' }];
    else console.error(error);
  }
  const text = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'content-type': 'application/json', 'content-length': text.length,
  });
  response.end(text);
}

async function route(request, hall, tokens) {
  if (request.url === '/livez') return [200, { status: 'ok' }];
  const [matches, address, call] = PATH.exec(request.url) ?? [];
  if (!matches || request.method !== 'POST') return [404, { code: 'not_found' }];
  const body = await bodyOf(request);
  if (!address) return [201, { quizId: hall.keep(body) }];
  if (call === 'open') return open(request, hall, tokens, address);
  const game = hall.find(decodeURIComponent(address));
  if (!game) return [404, { code: 'session_not_found' }];
  if (call === 'join') return join(request, hall, tokens, game, body);
  return command(request, tokens, game, call);
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
}

function open(request, hall, tokens, quizId) {
  const game = hall.open(quizId);
  if (!game) return [404, { code: 'quiz_not_found' }];
  const { sessionId, pin } = game;
  const hostToken = tokens.of(sessionId, 'host');
  return [201, { sessionId, pin, hostToken, wsUrl: wsUrl(request, game) }];
}

async function join(request, hall, tokens, game, { participantName }) {
  if (typeof participantName !== 'string') return [422, { code: 'invalid_message' }];
  const participantId = await hall.join(game, participantName);
  return [200, {
    quizId: game.quizId,
    participantId,
    sessionId: game.sessionId,
    token: tokens.of(game.sessionId, participantId),
    wsUrl: `${wsUrl(request, game)}&participantId=${participantId}`,
    participantName,
  }];
}

function command(request, tokens, game, name) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  if (!tokens.knows(token, game.sessionId, 'host')) return [401, { code: 'unauthorized' }];
  if (!COMMANDS.includes(name)) return [404, { code: 'unknown_command' }];
  game.commands.emit('command', name);
  return [200, { phase: game.phase, seq: game.seq }];
}

function wsUrl(request, game) {
  const query = `EIO=4&transport=websocket&quizId=${game.quizId}`;
  return `ws://${request.headers.host}/socket.io/?${query}`;
}

module.exports = { answer };
