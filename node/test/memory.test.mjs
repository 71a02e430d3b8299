// Does what is used up come back? Runs in a process of its own, whose collector can be called.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as core from '@withnen/native/core-crypto';
import { binding } from '../dist/binding.js';
import '../dist/error.js';

const require = createRequire(import.meta.url);

const MAX_GROWTH_MIB = 6;
const ROUNDS = 600;
/** Each leaves more behind than that, if it leaves behind but one buffer or object of a round. */
const LOOPS = { exchange, steps, primitives, failures };

if (process.argv[2] === 'measure') {
  console.log(await measure(LOOPS[process.argv[3]]));
} else {
  for (const name of Object.keys(LOOPS)) {
    test(`memory does not grow with use: ${name}`, () => {
      const args = ['--expose-gc', fileURLToPath(import.meta.url), 'measure', name];
      const growth = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      assert.ok(growth < MAX_GROWTH_MIB, `grew by ${growth} MiB`);
    });
  }

  test('workers that load the native module come and go', { timeout: 60_000 }, async () => {
    const source = `
      const { parentPort } = require('node:worker_threads');
      const { binding } = require(${JSON.stringify(require.resolve('../dist/binding.js'))});
      require(${JSON.stringify(require.resolve('../dist/error.js'))});
      // Work that is under way when the worker ends, on threads that belong to no worker.
      for (let i = 0; i < 4; i++) new binding.Client({}, null).handshake();
      try { binding.base64Decode('%'); } catch (error) { parentPort.postMessage(error.code); }
    `;
    for (let round = 0; round < 50; round++) {
      const worker = new Worker(source, { eval: true });
      const [code] = await once(worker, 'message');
      assert.equal(code, 'ISO-6002');
      await worker.terminate();
    }
    assert.ok((await new binding.Client({}, null).handshake()).body.length > 0);
  });
}

async function measure(loop) {
  const server = new binding.Server();
  const store = new binding.MemoryStore({});
  await loop(server, store, ROUNDS);
  const before = await residentMiB();
  await loop(server, store, ROUNDS);
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

/** The steps of servers whose stores are in JavaScript; some are left in the middle. */
async function steps(server, store, rounds) {
  const records = new Map();
  const client = new binding.Client({}, null);
  for (let round = 0; round < rounds; round++) {
    const now = Date.now();
    if (round % 10 === 0) {
      const handshake = await client.handshake();
      const args = ['handshake', 'POST', '/api/nen/handshake', [], handshake.body, now];
      await server.beginRespond(...args);
      const call = await server.beginRespond(...args);
      for (let question = call.step(); question !== null; question = call.step()) {
        records.set(question.sid, question.record);
        await call.resume(null);
      }
      const { status, body } = call.result();
      client.establish(handshake, status, body, now);
    }
    const { headers } = client.call('GET', '/x').seal(null, now);
    for (const isWhole of [true, false]) {
      const call = server.beginAdmit('GET', '/x', [...headers.flat(), 'x-large', 'x'.repeat(16_000)], now);
      call.resume(records.get(call.step().sid));
      if (!isWhole) continue;
      assert.equal(call.step().method, 'claimNonce');
      call.resume(true);
      call.result().stream().seal(Buffer.alloc(16_000));
    }
  }
  records.clear();
  store.sweep(Date.now());
}

async function primitives(_server, _store, rounds) {
  const [key, nonce, plaintext] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(16_000)];
  for (let round = 0; round < rounds; round++) {
    const pair = core.nen_generate_keypair();
    const made = core.nen_encapsulate(pair.public_key);
    assert.deepEqual(core.nen_decapsulate(pair.secret_key, made.ciphertext), made.shared_secret);
    if (round % 2) pair.free();
    assert.equal(core.nen_decrypt(key, nonce, core.nen_encrypt(key, nonce, plaintext)).length, 16_000);
    assert.equal(core.nen_from_base64(core.nen_to_base64(plaintext)).length, 16_000);
    assert.ok(core.nen_hmac_verify(key, plaintext, core.nen_hmac_sign(key, plaintext)));
    if (round % 10) continue;
    const signing = core.nen_generate_signing_keypair();
    const signature = core.nen_sign(signing.secret_key, plaintext);
    assert.ok(core.nen_verify_signature(signing.public_key, plaintext, signature));
  }
}

/** What fails must not leave behind what it had been given. */
async function failures(server, store, rounds) {
  const large = Buffer.alloc(16_000, 'x');
  const headers = ['x-nen-session', large.toString()];
  for (let round = 0; round < rounds; round++) {
    const now = Date.now();
    assert.throws(() => core.nen_decrypt(new Uint8Array(32), new Uint8Array(12), large), {
      code: 'ISO-4001',
    });
    assert.throws(() => core.nen_encrypt(large, new Uint8Array(12), large), TypeError);
    assert.throws(() => core.nen_from_base64(`${large}%`), { code: 'ISO-6002' });
    assert.throws(() => server.admit(store, 'GET', '/x', headers, now), { code: 'ISO-2002' });
    assert.throws(() => server.beginAdmit('GET', '/x', headers, now), { code: 'ISO-2002' });
    const args = ['handshake', 'POST', '/api/nen/handshake', headers, large, now];
    await assert.rejects(server.respond(store, ...args), { code: 'ISO-1001' });
    await assert.rejects(server.beginRespond(...args), { code: 'ISO-1001' });
  }
}

async function connect(server, store, client, now) {
  const handshake = await client.handshake();
  const args = ['POST', '/api/nen/handshake', [], handshake.body, now];
  const { status, body } = await server.respond(store, 'handshake', ...args);
  client.establish(handshake, status, body, now);
}
