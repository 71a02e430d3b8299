// Does what is used up come back? Runs in a process of its own, whose collector can be called.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binding } from '../dist/binding.js';
import '../dist/error.js';

const MAX_GROWTH_MIB = 6;

if (process.argv[2] === 'measure') {
  console.log(await measure());
} else {
  test('memory does not grow with use', () => {
    const args = ['--expose-gc', fileURLToPath(import.meta.url), 'measure'];
    const growth = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    assert.ok(growth < MAX_GROWTH_MIB, `grew by ${growth} MiB`);
  });
}

async function measure() {
  const server = new binding.Server();
  const store = new binding.MemoryStore({});
  await exchange(server, store, 600);
  const before = await residentMiB();
  await exchange(server, store, 600);
  return (await residentMiB()) - before;
}

async function residentMiB() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

async function exchange(server, store, rounds) {
  const payload = Buffer.from(JSON.stringify('x'.repeat(16_000)));
  const client = new binding.Client({}, null);
  for (let round = 0; round < rounds; round++) {
    const now = Date.now();
    if (round % 50 === 0) await connect(server, store, client, now);
    const call = client.call('POST', '/x');
    const { headers, body } = await call.sealInBackground(payload, now);
    const admitted = server.admit(store, 'POST', '/x', headers.flat(), now);
    const { status, body: answer } = admitted.seal('json', 200, admitted.open(body));
    const { json } = await call.openInBackground(status, null, answer, now);
    assert.equal(json.length, payload.length);
    call.seal(payload, now);
    assert.throws(() => call.open(200, null, payload, now), { code: 'ISO-6001' });
    const sealer = admitted.stream();
    sealer.seal(payload);
  }
}

async function connect(server, store, client, now) {
  const handshake = await client.handshake();
  const args = ['POST', '/api/nen/handshake', [], handshake.body, now];
  const { status, body } = await server.respond(store, 'handshake', ...args);
  client.establish(handshake, status, body, now);
}
