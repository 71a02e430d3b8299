// The Node client among the interop peers: client BASE_URL
import assert from 'node:assert/strict';
import process from 'node:process';
import { Identity, NenClient } from '../../../node/dist/index.mjs';

const [base] = process.argv.slice(2);
if (!base) {
  console.error('usage: client BASE_URL');
  process.exit(2);
}

let passed = 0;
let failed = 0;

async function step(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    const [why] = String(
      error.code?.startsWith?.('ISO-') ? `${error.code} ${error.detail}` : error.message,
    ).split('\n');
    console.log(`not ok ${name}: ${why}`);
  }
}

let handshakes = 0;
const counted = (url, init) => {
  if (url.endsWith('/handshake')) handshakes++;
  return fetch(url, init);
};
const client = new NenClient(base, { fetch: counted });
const secret = { secret: 'Only the endpoint that needs this can read it', n: [1, 2.5, null, 'ü'] };
const post = (value) => ({ method: 'POST', body: JSON.stringify(value) });
const echo = (received) => ({ message: 'Securely processed', received });

/** A request that only names a session. */
const bare = (path, sid, method = 'GET') => fetch(base + path, { method, headers: { 'X-Nen-Session': sid } });

await step('handshake', () => client.handshake());
for (const method of ['POST', 'GET', 'PUT', 'PATCH', 'DELETE']) {
  await step(method.toLowerCase(), async () => {
    const body = method === 'GET' ? undefined : JSON.stringify(secret);
    const answer = await client.request('/api/secure-data', { method, body });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.data, echo(body ? secret : null));
  });
}
await step('head', async () => {
  const answer = await client.request('/api/secure-data', { method: 'HEAD' });
  assert.equal(answer.status, 200);
  assert.equal(answer.data, undefined);
});
await step('path', async () => {
  assert.deepEqual(await client.nenFetch('/api/notes/caf%C3%A9%20au%20lait'), { id: 'café au lait' });
});
await step('created', async () => {
  const answer = await client.request('/api/created', post(secret));
  assert.equal(answer.status, 201);
  assert.deepEqual(answer.data, { created: secret });
});
await step('boom', async () => {
  await assert.rejects(client.nenFetch('/api/boom', post({})), { code: 'ISO-9000', name: 'INTERNAL' });
});

async function read(stream) {
  const chunks = [];
  const times = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    times.push(performance.now());
  }
  return { chunks, took: times.at(-1) - times[0] };
}
await step('stream-post', async () => {
  const { chunks, took } = await read(
    client.nenStream('/api/chat', post({ prompt: 'one two three', delayMs: 100 })),
  );
  assert.deepEqual(chunks, ['one ', 'two ', 'three ']);
  assert.ok(took >= 50, 'the chunks came all at once');
  const exact = await read(client.nenStream('/api/chat', post({ prompt: 'a __FIN__ b', exact: true })));
  assert.equal(exact.chunks.join(''), 'a__FIN__b');
});
await step('stream-get', async () => {
  const { chunks } = await read(client.nenStream('/api/chat'));
  assert.deepEqual(chunks, ['secure ', 'streaming ', 'works ']);
});

await step('identity', async () => {
  const identity = Identity.generate();
  const known = new NenClient(base, { identity });
  await known.handshake();
  const expected = Buffer.from(identity.publicKey).toString('base64');
  assert.deepEqual(await known.nenFetch('/api/whoami', post({})), { identity: expected });
  assert.deepEqual(await client.nenFetch('/api/whoami', post({})), { identity: null });
  await known.terminate();
});
await step('rotate', async () => {
  const old = client.sessionId;
  await client.rotate();
  assert.deepEqual(await client.nenFetch('/api/secure-data', post(secret)), echo(secret));
  const answer = await bare('/api/secure-data', old);
  assert.equal(answer.status, 401);
  assert.equal((await answer.json()).error.code, 'ISO-2002');
});
await step('recover', async () => {
  assert.ok((await bare('/api/nen/terminate', client.sessionId, 'POST')).ok);
  assert.deepEqual(await client.nenFetch('/api/secure-data', post(1)), echo(1));
  assert.ok((await bare('/api/nen/terminate', client.sessionId, 'POST')).ok);
  handshakes = 0;
  const calls = Array.from({ length: 16 }, (_, i) => client.nenFetch('/api/secure-data', post(i)));
  for (const [i, answer] of (await Promise.all(calls)).entries()) assert.deepEqual(answer, echo(i));
  assert.equal(handshakes, 1);
});
await step('terminate', async () => {
  assert.equal(await client.status(), true);
  const sid = client.sessionId;
  await client.terminate();
  assert.equal(await client.status(), false);
  assert.equal((await bare('/api/nen/status', sid)).status, 401);
});

const faults = {
  tampered: 'ISO-4001',
  plaintext: 'ISO-6001',
  reflected: 'ISO-5001',
  truncated: 'ISO-7003',
  'no-stream-nonce': 'ISO-7001',
  reordered: 'ISO-4001',
};
const streams = ['truncated', 'no-stream-nonce', 'reordered'];
const hasFaults = await fetch(`${base}/api/faults`).then(
  ({ status }) => status === 200,
  () => false,
);
if (hasFaults) {
  const liar = new NenClient(base);
  await liar.handshake();
  for (const [fault, code] of Object.entries(faults)) {
    await step(`fault-${fault}`, async () => {
      const path = `/api/faults/${fault}`;
      const call = streams.includes(fault)
        ? read(liar.nenStream(path, post({})))
        : liar.nenFetch(path, post({}));
      await assert.rejects(call, (error) => {
        assert.equal(error.code, code);
        return true;
      });
    });
  }
  await step('fault-stale-clock', () => liar.nenFetch('/api/faults/stale-clock', post({})));
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
