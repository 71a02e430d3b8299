// The story of nen in one terminal: a FastAPI server, a proxy in front of it that sees all there is to see, a Node client.
// Exit status 0 only if everything it tells has happened.

import { randomBytes } from 'node:crypto';
import { NenClient, NenError } from '@withnen/native';
import { startBackend } from './backend.mjs';
import { startProxy } from './proxy.mjs';
import { attacker, bold, check, client, close, dim, heading, proxy, server, shorten } from './stage.mjs';

const giveUp = setTimeout(() => {
  console.error('the demo did not end within two minutes');
  process.exit(1);
}, 120_000);

// ── the cast ────────────────────────────────────────────────────────────────────────────────────────────

console.log(`${bold('nen: the payload stays encrypted between the two endpoints')}\n`);
client(`Node, @withnen/native                        ${dim('has the keys')}`);
proxy(`passes everything on and prints what it sees ${dim('has none')}`);
server(`FastAPI on uvicorn behind NenMiddleware      ${dim('has the keys')}`);

const backend = await startBackend();

/** Every exchange and every frame of a stream that went through the proxy. */
const seen = [];
const frames = [];
const inTheMiddle = await startProxy(backend.url, {
  request({ method, path, headers, body }) {
    proxy(`→ ${bold(`${method} ${path}`)}`);
    if (seen.length === 1) {
      for (const [name, value] of ownHeaders(headers)) proxy(`  ${dim(`${name}: ${value}`)}`);
    }
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
    if (exchange.answerHeaders['x-nen-stream-nonce']) return;
    proxy(`← ${exchange.status} ${dim(shorten(exchange.answer.toString()))}`);
  },
});

const ownHeaders = (headers) => Object.entries(headers).filter(([name]) => name.startsWith('x-nen-'));
const lastSeen = (path) => seen.findLast((exchange) => exchange.path === path);
const membersOf = (json) => Object.keys(JSON.parse(json)).join();

/** Whether bytes hold none of these words: neither as they are, nor in anything that is base64 in them. */
function hide(bytes, words) {
  const text = bytes.toString();
  const decoded = text
    .match(/[A-Za-z0-9+/]{8,}={0,2}/g)
    ?.map((run) => Buffer.from(run, 'base64').toString('latin1'));
  return !words.test([text, ...(decoded ?? [])].join('\n'));
}

/** Sends a request that no client of ours made, straight to the server. Returns its status and error code. */
async function attack(path, headers, body) {
  const answer = await fetch(backend.url + path, { method: 'POST', headers, body });
  const text = await answer.text();
  attacker(`is answered ${answer.status} ${text}`);
  server(`logs     ${dim(shorten(await backend.says('log')))}`);
  return `${answer.status} ${JSON.parse(text).error.code}`;
}

// ── the story ───────────────────────────────────────────────────────────────────────────────────────────

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
const received = await backend.says('received');
server(`handler  ${JSON.stringify(received)}`);
client(`receives ${shorten(JSON.stringify(echoed))}`);
const post = lastSeen('/api/secure-data');
check(
  'the handler and the client have the plaintext',
  JSON.stringify(received) === JSON.stringify(secret) &&
    JSON.stringify(echoed.received) === JSON.stringify(secret),
);
check(
  'the proxy saw only a sealed `ct` going up, and `ct` and its nonce `n` coming down',
  membersOf(post.body) === 'ct' && membersOf(post.answer) === 'ct,n',
);
check(
  'not a word of the plaintext is in either',
  [post.body, post.answer].every((bytes) => hide(bytes, /secret|endpoint|amount|Securely/)),
);

heading('A sealed GET', 'no body goes up, the answer is sealed all the same');
const read = await nen.nenFetch('/api/secure-data');
client(`receives ${JSON.stringify(read)}`);
const get = lastSeen('/api/secure-data');
check(
  'the client has the balance, the proxy has not',
  get.method === 'GET' && read.balance === 1840 && hide(get.answer, /balance|Securely/),
);

heading('A sealed stream', 'each word is sealed by itself and arrives while the stream is still open');
const words = [];
const arrivals = [];
const start = performance.now();
for await (const word of nen.nenStream('/api/chat', {
  method: 'POST',
  body: JSON.stringify({ prompt: 'secure streaming works, word by word' }),
})) {
  words.push(word);
  arrivals.push(performance.now() - start);
  client(`${bold(word.padEnd(12))} ${dim(`after ${Math.round(arrivals.at(-1))} ms`)}`);
}
check(
  'six words arrived one by one, the first long before the last',
  words.join('|') === 'secure |streaming |works, |word |by |word ' && arrivals.at(-1) - arrivals[0] > 400,
);
check(
  'the proxy saw seven sealed frames, the last of them the end mark, and no word',
  frames.length === 7 &&
    frames.every(
      (frame) => /^data: [A-Za-z0-9+/]+=*$/.test(frame) && hide(frame, /secure|streaming|works|__FIN__/),
    ),
);

heading('Rotation', 'new keys, a new session id, and the old session is dead');
await nen.rotate();
const renewed = JSON.parse(lastSeen('/api/nen/rotate').answer);
client(`session ${renewed.sid}`);
const after = await nen.nenFetch('/api/secure-data');
const status = await fetch(`${backend.url}/api/nen/status`, { headers: { 'X-Nen-Session': granted.sid } });
server(`status of ${granted.sid}: ${await status.text()}`);
check(
  'the client goes on under the new session, the old one is gone',
  renewed.sid !== granted.sid && after.balance === 1840 && status.status === 401,
);

heading('Attack: replay', 'the proxy records a genuine request and sends it again, byte for byte');
await nen.nenFetch('/api/secure-data', { method: 'POST', body: '{"transfer":100}' });
await backend.says('received');
const genuine = lastSeen('/api/secure-data');
const recorded = { 'content-type': 'application/json', ...Object.fromEntries(ownHeaders(genuine.headers)) };
attacker('sends the recorded request again');
check('refused with ISO-5001', (await attack(genuine.path, recorded, genuine.body)) === '409 ISO-5001');

heading('Attack: forged signature', 'the session id is known, the HMAC key is not');
const forged = {
  ...recorded,
  'x-nen-timestamp': String(Date.now()),
  'x-nen-nonce': randomBytes(12).toString('base64'),
  'x-nen-signature': randomBytes(32).toString('base64'),
};
attacker('signs a request of its own with a guessed key');
check('refused with ISO-3002', (await attack(genuine.path, forged, genuine.body)) === '401 ISO-3002');

heading('Attack: tampered body', 'one bit of the ciphertext is flipped on the way');
inTheMiddle.tamperOnce((body) => {
  const sealed = Buffer.from(JSON.parse(body).ct, 'base64');
  sealed[0] ^= 1;
  return Buffer.from(JSON.stringify({ ct: sealed.toString('base64') }));
});
attacker('flips one bit of what the client is sending');
const error = await nen
  .nenFetch('/api/secure-data', { method: 'POST', body: '{"transfer":100}' })
  .catch((cause) => cause);
client(`NenError ${error.code}: ${error.message}`);
server(`logs     ${dim(shorten(await backend.says('log')))}`);
check(
  'refused with ISO-4001',
  error instanceof NenError && error.code === 'ISO-4001' && lastSeen('/api/secure-data').status === 400,
);

heading('The whole record', 'all that went through the proxy, from beginning to end');
const record = seen.flatMap(({ body, answer }) => [body, answer]);
proxy(`${seen.length} exchanges, ${Buffer.concat(record).length} bytes`);
check(
  'not one word of any payload in it',
  record.every((bytes) => hide(bytes, /Only the|secret|balance|Securely|streaming|transfer/)),
);

await nen.terminate();
inTheMiddle.close();
await backend.stop();
clearTimeout(giveUp);
close();
