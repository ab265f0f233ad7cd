// What the Node processes of the bench share: lines of JSON in, lines of JSON out.
// bench/floors/__init__.py says what the lines are.
'use strict';

const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');

/** Now by CLOCK_MONOTONIC, in nanoseconds. */
const monotonicNs = () => Number(process.hrtime.bigint());

/** Microseconds of CPU that this process has used. */
function cpuUs() {
  const used = process.cpuUsage();
  return used.user + used.system;
}

/** Returns the message of a round, of just so many bytes. */
function message(seq, bytes) {
  const head = `{"type":"bench","seq":${seq},"payload":"`;
  if (bytes < head.length + 2) {
    throw new RangeError(`a message has ${head.length + 2} bytes at least`);
  }
  return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
}

/**
 * Returns the handlers of a fan-out's commands.
 * send(seq, bytes) sends one message to all; connections() says how many those are.
 */
function fanOut(send, connections) {
  let seq = 0;
  const round = (bytes) => {
    seq += 1;
    const before = { seq, connections: connections(), started_ns: monotonicNs() };
    const usedUs = cpuUs();
    send(seq, bytes);
    const wallUs = (monotonicNs() - before.started_ns) / 1000;
    return { ...before, wall_us: wallUs, cpu_us: cpuUs() - usedUs, waits: 0 };
  };
  return {
    async broadcast({ bytes, times = 1, pause_ms: pauseMs = 0 }) {
      const rounds = [];
      for (let i = 0; i < times; i += 1) {
        rounds.push(round(bytes));
        await sleep(pauseMs);
      }
      return summary(rounds);
    },
    async stat() {
      const rss = process.memoryUsage.rss();
      return { cpu_us: cpuUs(), rss_bytes: rss, connections: connections() };
    },
    async cpu() {
      return { cpu_us: cpuUs() };
    },
  };
}

/** Returns sums over rounds, figures per delivery, and each round. */
function summary(rounds) {
  const sum = (field) => rounds.reduce((total, round) => total + round[field], 0);
  const deliveries = sum('connections');
  return {
    deliveries,
    cpu_us: sum('cpu_us'),
    wall_us: sum('wall_us'),
    cpu_us_per_delivery: sum('cpu_us') / Math.max(deliveries, 1),
    wall_us_per_delivery: sum('wall_us') / Math.max(deliveries, 1),
    waits: 0,
    rounds,
  };
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Says that port is ready, answers each line of input, and exits at its end. */
async function obey(port, commands) {
  say({ port, pid: process.pid });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    say(await answer(line, commands));
  }
  process.exit(0);
}

async function answer(line, commands) {
  try {
    const [[name, argument]] = Object.entries(JSON.parse(line));
    if (!Object.hasOwn(commands, name)) throw new Error(`no command ${name}`);
    return await commands[name](argument);
  } catch (error) {
    return { error: String(error) };
  }
}

/** Returns the value behind a word of the command line. */
function option(word, otherwise) {
  const at = process.argv.indexOf(word);
  return at < 0 ? otherwise : process.argv[at + 1];
}

module.exports = { fanOut, obey, message, option, BACKLOG: 4096 };
