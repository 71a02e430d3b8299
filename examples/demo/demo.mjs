// The story of nen in one terminal: a FastAPI server, a proxy in front of it that sees all there is to see, and a Node client.
// Exit status 0 only if everything it tells has happened.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { NenClient, NenError } from '@withnen/native';
import { startProxy } from './proxy.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const python = process.env.NEN_DEMO_PYTHON ?? path.join(here, '../../.venv/bin/python');

// ── how it looks ────────────────────────────────────────────────────────────────────────────────────────

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
const [bold, dim, red, green, yellow, blue] = ['1', '2', '31', '32', '33', '34'].map(paint);
const width = Math.min(process.stdout.columns ?? 100, 110);

const shorten = (text, room = width - 24) => (text.length > room ? `${text.slice(0, room - 1)}…` : text);
const line = (who, style, text) => console.log(`  ${style(who.padEnd(7))} ${text}`);
const client = (text) => line('client', green, text);
const proxy = (text) => line('proxy', yellow, text);
const server = (text) => line('server', blue, text);
const attacker = (text) => line('attack', red, text);

let number = 0;
function heading(title, look) {
  number += 1;
  console.log(`\n${bold(`${number}. ${title}`)}\n   ${dim(`Look at: ${look}`)}`);
}

// ── what must be true ───────────────────────────────────────────────────────────────────────────────────

let passed = 0;
const failures = [];
function check(claim, holds) {
  if (holds) {
    passed += 1;
    line('', String, green(`✓ ${claim}`));
  } else {
    failures.push(claim);
    line('', String, red(`✗ ${claim}`));
  }
}

/** The error code in an answer of the server's, or nothing. */
function errorCode(text) {
  try {
    return JSON.parse(text).error.code;
  } catch {
    return undefined;
  }
}

// ── the cast ────────────────────────────────────────────────────────────────────────────────────────────

const giveUp = setTimeout(() => {
  console.error('the demo did not end within two minutes');
  process.exit(1);
}, 120_000);

const backend = spawn(python, [path.join(here, 'server.py')], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => backend.kill());
const said = createInterface({ input: backend.stdout })[Symbol.asyncIterator]();

/** The next thing that the server's process reports. */
async function serverSays(event) {
  const { value, done } = await said.next();
  if (done) throw new Error('the server has ended; its own message stands above');
  const report = JSON.parse(value);
  if (report.event !== event) throw new Error(`the server reported ${report.event} instead of ${event}`);
  return report.value;
}

const port = await serverSays('listening');

/** Every exchange and every frame of a stream that went through the proxy. */
const seen = [];
const frames = [];
let chatty = true;
const inTheMiddle = await startProxy(`http://127.0.0.1:${port}`, {
  request({ method, path, body }) {
    if (!chatty) return;
    proxy(`→ ${bold(`${method} ${path}`)}`);
    if (body.length > 0) proxy(`  ${dim(shorten(body.toString()))} (${body.length} bytes)`);
  },
  chunk(_, answer, chunk) {
    if (!answer.headers['x-nen-stream-nonce']) return;
    for (const frame of chunk.toString().split('\n\n').filter(Boolean)) {
      frames.push(frame);
      proxy(`← ${dim(shorten(frame))}`);
    }
  },
  answer(exchange) {
    seen.push(exchange);
    if (!chatty || exchange.answerHeaders['x-nen-stream-nonce']) return;
    proxy(`← ${exchange.status} ${dim(shorten(exchange.answer.toString()))}`);
  },
});
const lastSeen = (pathname) => seen.findLast((exchange) => exchange.path === pathname);
const everythingSeen = () => Buffer.concat(seen.flatMap(({ body, answer }) => [body, answer])).toString();

/** Sends a request that no client of ours made, straight to the server. */
async function sendRaw(method, pathname, headers, body) {
  const answer = await fetch(`http://127.0.0.1:${port}${pathname}`, { method, headers, body });
  const text = await answer.text();
  attacker(`is answered ${answer.status} ${text}`);
  server(`logs     ${dim(shorten(await serverSays('log')))}`);
  return { status: answer.status, code: errorCode(text) };
}

/** The protocol's headers of a request that the proxy recorded. */
function recordedHeaders({ headers }) {
  const ours = Object.entries(headers).filter(([name]) => name.startsWith('x-nen-'));
  return { 'content-type': 'application/json', ...Object.fromEntries(ours) };
}

// ── the story ───────────────────────────────────────────────────────────────────────────────────────────

console.log(bold('nen: the payload stays encrypted between the two endpoints'));
console.log(`
  ${green('client')}  Node, @withnen/native                      ${dim('has the keys')}
  ${yellow('proxy')}   passes everything on, prints what it sees    ${dim('has none')}
  ${blue('server')}  FastAPI on uvicorn behind NenMiddleware      ${dim('has the keys')}`);

const nen = new NenClient(inTheMiddle.url, { identityMode: 'pqc' });

heading(
  'Handshake',
  'an ML-KEM-768 public key goes up, a ciphertext comes down; the shared secret never travels',
);
await nen.handshake();
const [handshake] = seen;
const offered = JSON.parse(handshake.body);
const granted = JSON.parse(handshake.answer);
client(`session ${granted.sid}`);
check(
  'a 1184-byte key went up, a 1088-byte ciphertext came down',
  Buffer.from(offered.pk, 'base64').length === 1184 && Buffer.from(granted.ct, 'base64').length === 1088,
);
check(
  'the client signed its key with ML-DSA-65',
  Buffer.from(offered.sigOfPk ?? '', 'base64').length === 3309,
);

heading('A sealed POST', 'the secret at both ends, and what the proxy has of it');
const secret = { secret: 'Only the endpoint that needs this can read it', amount: 1840 };
client(`sends    ${JSON.stringify(secret)}`);
const echoed = await nen.nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify(secret) });
const received = await serverSays('received');
server(`handler  ${JSON.stringify(received)}`);
client(`receives ${shorten(JSON.stringify(echoed))}`);
const post = lastSeen('/api/secure-data');
check(
  'the handler and the client have the plaintext',
  JSON.stringify(received) === JSON.stringify(secret) &&
    JSON.stringify(echoed.received) === JSON.stringify(secret),
);
check(
  'the proxy has none of it',
  !/secret|endpoint|1840|Securely/.test(post.body.toString() + post.answer.toString()),
);

heading('A sealed GET', 'no body goes up, the answer is sealed all the same');
const read = await nen.nenFetch('/api/secure-data');
client(`receives ${JSON.stringify(read)}`);
check(
  'the client has the balance, the proxy has not',
  read.balance === 1840 && !/balance|1840/.test(lastSeen('/api/secure-data').answer.toString()),
);

heading('A sealed stream', 'each word is sealed by itself and arrives while the stream is still open');
const words = [];
const streamStart = performance.now();
for await (const word of nen.nenStream('/api/chat', {
  method: 'POST',
  body: JSON.stringify({ prompt: 'secure streaming works, word by word' }),
})) {
  words.push(word);
  client(`${bold(word.padEnd(12))} ${dim(`after ${Math.round(performance.now() - streamStart)} ms`)}`);
}
const streamTime = performance.now() - streamStart;
check(
  'six words arrived over time',
  words.join('') === 'secure streaming works, word by word ' && streamTime > 600,
);
check(
  'the proxy saw seven sealed frames, the last of them the end mark',
  frames.length === 7 && frames.every((frame) => /^data: [A-Za-z0-9+/]+=*$/.test(frame)),
);

heading('Rotation', 'new keys, a new session id, and the old session is dead');
await nen.rotate();
const renewed = JSON.parse(lastSeen('/api/nen/rotate').answer);
client(`session ${renewed.sid}`);
const after = await nen.nenFetch('/api/secure-data');
const status = await fetch(`http://127.0.0.1:${port}/api/nen/status`, {
  headers: { 'X-Nen-Session': granted.sid },
});
server(`status of ${granted.sid}: ${await status.text()}`);
check(
  'the client goes on under the new session, the old one is gone',
  renewed.sid !== granted.sid && after.balance === 1840 && status.status === 401,
);

heading('Attack: replay', 'the proxy recorded a genuine request and sends it again, byte for byte');
chatty = false;
await nen.nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify({ transfer: 100 }) });
await serverSays('received');
const genuine = lastSeen('/api/secure-data');
attacker('sends the recorded request again');
const replayed = await sendRaw('POST', genuine.path, recordedHeaders(genuine), genuine.body);
check('refused with ISO-5001', replayed.status === 409 && replayed.code === 'ISO-5001');

heading('Attack: forged signature', 'the session id is known, the HMAC key is not');
attacker('signs a request of its own with a guessed key');
const forged = await sendRaw(
  'POST',
  genuine.path,
  {
    ...recordedHeaders(genuine),
    'x-nen-timestamp': String(Date.now()),
    'x-nen-nonce': randomBytes(12).toString('base64'),
    'x-nen-signature': randomBytes(32).toString('base64'),
  },
  genuine.body,
);
check('refused with ISO-3002', forged.status === 401 && forged.code === 'ISO-3002');

heading('Attack: tampered body', 'one bit of the ciphertext is flipped on the way');
inTheMiddle.tamperOnce((body) => {
  const message = JSON.parse(body);
  const sealed = Buffer.from(message.ct, 'base64');
  sealed[0] ^= 1;
  return Buffer.from(JSON.stringify({ ct: sealed.toString('base64') }));
});
attacker('flips one bit of a request that the client is sending');
const error = await nen
  .nenFetch('/api/secure-data', { method: 'POST', body: '{"transfer":100}' })
  .catch((cause) => cause);
client(`NenError ${error.code}: ${error.message}`);
server(`logs     ${dim(shorten(await serverSays('log')))}`);
check(
  'refused with ISO-4001',
  error instanceof NenError && error.code === 'ISO-4001' && lastSeen('/api/secure-data').status === 400,
);

heading('The whole record', 'all that went through the proxy, from beginning to end');
const record = everythingSeen();
proxy(`${seen.length} exchanges, ${record.length} bytes`);
check(
  'not one word of any payload in it',
  !/Only the endpoint|secret|balance|Securely|streaming|transfer/.test(record),
);

await nen.terminate();
clearTimeout(giveUp);
inTheMiddle.close();
backend.kill();
await once(backend, 'exit');

console.log(`\n${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length === 0 ? 0 : 1;
