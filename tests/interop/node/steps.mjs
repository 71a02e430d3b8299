// The steps of the interop clients in JavaScript, with the library that plays the protocol: steps.mjs LIBRARY BASE_URL
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [library, base] = process.argv.slice(2);
if (!base) {
  console.error('usage: client BASE_URL');
  process.exit(2);
}
const { Identity, NenClient, NenError } = await import(pathToFileURL(resolve(library)).href);

let passed = 0;
let failed = 0;

async function step(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    const why = error instanceof NenError ? `${error.code} ${error.detail ?? error.message}` : String(error);
    console.log(`not ok ${name}: ${why.replace(/\s+/g, ' ')}`);
  }
}

/** What the client asked and was answered, as `STATUS /path`; and the last refusal, as it came. */
const network = [];
let refusal;
const recorded = async (url, init) => {
  const response = await fetch(url, init);
  network.push(`${response.status} ${new URL(url).pathname}`);
  if (!response.ok) refusal = await response.clone().json();
  return response;
};
const count = (entry) => network.filter((other) => other === entry).length;

/** A request past the client, which only names a session. */
const bare = (path, sid, method = 'GET') => fetch(base + path, { method, headers: { 'X-Nen-Session': sid } });
const refusalOf = async (sid) => (await (await bare('/api/secure-data', sid)).json()).error.code;
const isNenError = (code) => (error) => {
  assert.ok(error instanceof NenError, `not a NenError: ${error}`);
  assert.equal(error.code, code);
  return true;
};

const client = new NenClient(base, { fetch: recorded });
const secret = { secret: 'Only the endpoint that needs this can read it', n: [1, 2.5, null, 'ü'] };
const post = (value) => ({ method: 'POST', body: JSON.stringify(value) });
const echo = (received) => ({ message: 'Securely processed', received });

await step('handshake', async () => {
  await client.handshake();
  assert.deepEqual(network, ['200 /api/nen/handshake']);
  assert.equal(await client.status(), true);
});
for (const method of ['POST', 'GET', 'PUT', 'PATCH', 'DELETE']) {
  await step(method.toLowerCase(), async () => {
    const body = method === 'GET' ? undefined : JSON.stringify({ method, ...secret });
    const answer = await client.request('/api/secure-data', { method, body });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.data, echo(body ? { method, ...secret } : null));
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
  await assert.rejects(client.nenFetch('/api/boom', post({})), isNenError('ISO-9000'));
  assert.deepEqual(Object.keys(refusal.error).sort(), ['code', 'message']);
  assert.doesNotMatch(refusal.error.message, /kaboom/);
});

async function collect(stream, chunks = []) {
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
await step('stream-post', async () => {
  const delayMs = 200;
  const chunks = [];
  let last = Number.NEGATIVE_INFINITY;
  for await (const chunk of client.nenStream('/api/chat', post({ prompt: 'one two three', delayMs }))) {
    const now = performance.now();
    // A chunk that was held back until the next one, or the end, comes together with it.
    assert.ok(now - last > delayMs / 2, `${chunk} was not delivered before the server went on`);
    last = now;
    chunks.push(chunk);
  }
  assert.deepEqual(chunks, ['one ', 'two ', 'three ']);
  const exact = await collect(client.nenStream('/api/chat', post({ prompt: 'a __FIN__ b', exact: true })));
  assert.equal(exact.join(''), 'a__FIN__b');
});
await step('stream-get', async () => {
  assert.deepEqual(await collect(client.nenStream('/api/chat')), ['secure ', 'streaming ', 'works ']);
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
  assert.equal(await refusalOf(old), 'ISO-3005'); // alive: only the nonce is missing
  await client.rotate();
  assert.notEqual(client.sessionId, old);
  assert.equal(await refusalOf(old), 'ISO-2002');
  network.length = 0;
  assert.deepEqual(await client.nenFetch('/api/secure-data', post(secret)), echo(secret));
  assert.deepEqual(network, ['200 /api/secure-data']); // under the new session, without another one
});
await step('recover', async () => {
  for (const calls of [1, 16]) {
    assert.ok((await bare('/api/nen/terminate', client.sessionId, 'POST')).ok);
    network.length = 0;
    const asked = Array.from({ length: calls }, (_, i) => client.nenFetch('/api/secure-data', post(i)));
    assert.deepEqual(
      await Promise.all(asked),
      asked.map((_, i) => echo(i)),
    );
    assert.equal(count('401 /api/secure-data'), calls); // each was under way when the session was found dead
    assert.equal(count('200 /api/nen/handshake'), 1);
    assert.equal(network.length, 2 * calls + 1);
  }
});
await step('terminate', async () => {
  const sid = client.sessionId;
  assert.equal(await client.status(), true);
  assert.deepEqual(await (await bare('/api/nen/status', sid)).json(), { valid: true });
  await client.terminate();
  assert.equal(client.sessionId, undefined);
  assert.equal(await client.status(), false);
  const status = await bare('/api/nen/status', sid);
  assert.equal(status.status, 401);
  assert.deepEqual(await status.json(), { valid: false });
});

// What each lie must give, and for a stream the chunks before it. The server itself answers 200: the client finds out.
const lies = [
  { fault: 'tampered', code: 'ISO-4001' },
  { fault: 'plaintext', code: 'ISO-6001' },
  { fault: 'reflected', code: 'ISO-5001' },
  { fault: 'truncated', code: 'ISO-7003', chunks: ['one ', 'two ', 'three ', 'four '] },
  { fault: 'no-stream-nonce', code: 'ISO-7001', chunks: [] },
  { fault: 'reordered', code: 'ISO-4001', chunks: ['one '] },
];
if ((await fetch(`${base}/api/faults`)).status === 200) {
  await client.handshake();
  for (const { fault, code, chunks } of lies) {
    await step(`fault-${fault}`, async () => {
      const path = `/api/faults/${fault}`;
      const received = [];
      network.length = 0;
      const call = chunks
        ? collect(client.nenStream(path, post(secret)), received)
        : client.nenFetch(path, post(secret));
      await assert.rejects(call, isNenError(code));
      assert.deepEqual(received, chunks ?? []);
      assert.deepEqual(network, [`200 ${path}`]);
    });
  }
  await step('fault-stale-clock', async () => {
    const path = '/api/faults/stale-clock';
    network.length = 0;
    assert.deepEqual(await client.nenFetch(path, post(secret)), echo(secret));
    assert.deepEqual(network, [`401 ${path}`, `200 ${path}`]);
  });
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
