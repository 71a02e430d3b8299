// Property tests: whatever comes over the wire or out of a store, there is a value, or an error of the protocol.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeNenCode, InMemorySessionStore, NenError } from '@withnen/native';
import fc from 'fast-check';
import { binding } from '../dist/binding.js';

const NOW = 1_750_000_000_000;
const server = new binding.Server();
const lenient = new binding.Server({ strict: false });

/** A client and a server that share a session. */
async function connect() {
  const client = new binding.Client({}, null);
  const store = new binding.MemoryStore({});
  const handshake = await client.handshake();
  const args = ['POST', '/api/nen/handshake', [], handshake.body, NOW];
  const { status, body } = await server.respond(store, 'handshake', ...args);
  client.establish(handshake, status, body, NOW);
  return { client, store, sid: client.sessionId };
}
const { client, store, sid } = await connect();
const record = store.get(sid, NOW);

/** Passes values; of errors only those of the protocol, whose texts are the core's own and quote nothing. */
function allowed(error) {
  assert.ok(error instanceof NenError, `${error?.stack ?? error}`);
  assert.equal(describeNenCode(error.code).message, error.message);
  return error;
}
function attempt(run) {
  try {
    return run();
  } catch (error) {
    return allowed(error);
  }
}
const check = (...args) => fc.assert(fc.property(...args), { numRuns: 500 });
const checkAsync = (...args) => fc.assert(fc.asyncProperty(...args), { numRuns: 200 });

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 200 }));
const base64 = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const names = fc.constantFrom(...binding.signedHeaders(), 'x-nen-session', 'date');
const values = fc.oneof(text, base64, fc.constant(sid), fc.constant(String(NOW)), fc.integer().map(String));
const headers = fc.array(fc.tuple(fc.oneof(names, text), values)).map((pairs) => pairs.flat());
// An array of names and values in turn may lack the last value.
const ragged = fc.oneof(
  headers,
  headers.map((list) => list.slice(1)),
);
const method = fc.oneof(fc.constantFrom('GET', 'POST', 'HEAD'), text);
const target = fc.oneof(fc.constantFrom('/', '/api/nen/handshake', '*', 'http://h/x?y'), text);
const utf8 = (value) => Buffer.from(value);
const json = fc.oneof(
  fc.json().map(utf8),
  fc
    .record({ ct: fc.oneof(base64, text), n: fc.oneof(base64, text) }, { requiredKeys: [] })
    .map((value) => utf8(JSON.stringify(value))),
  fc
    .record({ pk: base64, protocol: text, idPk: base64, sig: base64 }, { requiredKeys: [] })
    .map((value) => utf8(JSON.stringify(value))),
);
const body = fc.oneof(fc.uint8Array({ maxLength: 2000 }), json);
const status = fc.integer({ min: 100, max: 599 });
const nullable = (arbitrary) => fc.option(arbitrary, { nil: null });

test('the check of a request takes any method, target and headers', () => {
  const answers = new Set();
  for (const policy of [server, lenient]) {
    check(method, target, ragged, (method, target, headers) => {
      const outcome = attempt(() => policy.admit(store, method, target, headers, NOW));
      answers.add(outcome.code ?? 'admitted');
      attempt(() => policy.beginAdmit(method, target, headers, NOW).step());
      attempt(() => policy.route(method, target));
    });
  }
  // Had all been refused for the same thing, little would have been shown.
  assert.ok(answers.has('ISO-2003') && answers.size >= 3, [...answers].join());
});

test('whatever a store replies to the check of a request, only its own record lets it in', () => {
  const sealed = () => client.call('GET', '/x').seal(null, NOW).headers.flat();
  const reply = fc.oneof(
    text,
    fc.json(),
    fc.anything().filter((value) => typeof value !== 'symbol'),
    fc.constantFrom(record, true),
  );
  let admitted = 0;
  check(reply, reply, (first, second) => {
    const call = server.beginAdmit('GET', '/x', sealed(), NOW);
    const outcome = attempt(() => {
      assert.equal(call.step().method, 'get');
      call.resume(first);
      assert.equal(call.step().method, 'claimNonce');
      call.resume(second);
      return call.result();
    });
    if (outcome instanceof NenError) return;
    assert.deepEqual([first, second, outcome.sessionId], [record, true, sid]);
    admitted += 1;
  });
  assert.ok(admitted > 0);
});

test('a session endpoint takes any method, target, headers and body', async () => {
  const endpoint = fc.constantFrom('handshake', 'rotate', 'terminate', 'status');
  const codes = new Set();
  await checkAsync(
    endpoint,
    method,
    target,
    ragged,
    body,
    async (endpoint, method, target, headers, body) => {
      const args = [endpoint, method, target, headers, body, NOW];
      const whole = await server.respond(new binding.MemoryStore({}), ...args).catch(allowed);
      codes.add(whole.code ?? whole.status);
      const call = await server.beginRespond(...args).catch(allowed);
      if (call instanceof NenError) return;
      if (call.step() === null) assert.ok(call.result().status);
      else await call.resume(null).catch(allowed);
    },
  );
  assert.ok(codes.size >= 3, [...codes].join());
});

test('a body that the client did not seal is not opened', async () => {
  const call = client.call('POST', '/x');
  const sealed = call.seal(Buffer.from('{"a":1}'), NOW);
  const exchange = server.admit(store, 'POST', '/x', sealed.headers.flat(), NOW);
  assert.equal(exchange.open(sealed.body).toString(), '{"a":1}');
  check(body, (body) => assert.ok(attempt(() => exchange.open(body)) === null || body.length > 0));
  await checkAsync(body, async (body) => {
    const opened = await exchange.openInBackground(body).catch(allowed);
    assert.ok(opened === null || opened instanceof NenError);
  });
  // Every change of one byte is found, wherever it is.
  check(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const changed = Buffer.from(sealed.body);
    changed[at % changed.length] ^= change;
    const outcome = attempt(() => exchange.open(changed));
    assert.ok(outcome instanceof NenError || outcome.toString() === '{"a":1}');
  });
});

test('an answer of any status, date and body is an outcome of a call', async () => {
  const kinds = new Set();
  check(status, nullable(text), body, (status, date, body) => {
    const call = client.call('POST', '/x');
    call.seal(Buffer.from('1'), NOW);
    const outcome = attempt(() => call.open(status, date, body, NOW));
    kinds.add(outcome.kind ?? outcome.code);
    assert.notEqual(outcome.kind, 'answer');
  });
  assert.ok(kinds.has('foreign') && kinds.has('ISO-6001'), [...kinds].join());
  await checkAsync(status, nullable(text), body, async (status, date, body) => {
    const call = client.call('POST', '/x');
    call.seal(Buffer.from('1'), NOW);
    const outcome = await call.openInBackground(status, date, body, NOW).catch(allowed);
    assert.notEqual(outcome.kind, 'answer');
  });
});

const pieces = (bytes, cuts) => {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
};
function drain(opener, parts) {
  const chunks = [];
  for (const part of parts) {
    opener.push(part);
    for (let chunk = opener.nextChunk(); chunk !== null; chunk = opener.nextChunk())
      chunks.push(chunk.toString());
  }
  opener.end();
  return chunks;
}
function openStream() {
  const call = client.call('POST', '/x');
  const { headers, body } = call.seal(Buffer.from('1'), NOW);
  const exchange = server.admit(store, 'POST', '/x', headers.flat(), NOW);
  exchange.open(body);
  const sealer = exchange.stream();
  return { call, sealer };
}

test('a stream is the same however the network splits it, and no other bytes are one', () => {
  const cuts = fc.array(fc.nat());
  check(fc.array(fc.string({ maxLength: 40 })), cuts, fc.nat(), (chunks, cuts, at) => {
    const { call, sealer } = openStream();
    const frames = Buffer.concat([
      ...chunks.map((chunk) => sealer.seal(Buffer.from(chunk))),
      sealer.finish(),
    ]);
    const opener = call.openStream(sealer.nonceHeader);
    assert.deepEqual(drain(opener, pieces(frames, cuts)), chunks);
    assert.equal(opener.finished, true);

    const cut = frames.subarray(0, at % (frames.length - 2));
    const outcome = attempt(() => drain(call.openStream(sealer.nonceHeader), pieces(cut, cuts)));
    assert.equal(outcome.code, 'ISO-7003');
  });
  check(
    fc.oneof(
      body,
      text.map((data) => utf8(`data: ${data}\n\n`)),
    ),
    cuts,
    (bytes, cuts) => {
      const { call, sealer } = openStream();
      assert.ok(
        attempt(() => drain(call.openStream(sealer.nonceHeader), pieces(bytes, cuts))) instanceof NenError,
      );
    },
  );
  check(nullable(fc.oneof(text, base64)), (nonce) => {
    const { call } = openStream();
    const opener = attempt(() => call.openStream(nonce));
    if (opener instanceof NenError) assert.match(opener.code, /^ISO-700[12]$/);
  });
});

test('the store in memory keeps records, and nothing else', () => {
  const own = new InMemorySessionStore();
  const changed = fc.tuple(fc.nat(), fc.string({ minLength: 1, maxLength: 1 })).map(([at, char]) => {
    const position = at % record.length;
    return record.slice(0, position) + char + record.slice(position + 1);
  });
  check(fc.oneof(text, fc.json(), changed, fc.constant(record)), (value) => {
    const outcome = attempt(() => own.set(sid, value, Date.now() + 60_000));
    if (outcome instanceof NenError) assert.equal(outcome.code, 'ISO-9001');
    else assert.ok(JSON.parse(own.get(sid)));
    own.delete(sid);
  });
});

test('the form of an answer is one of three, whatever its head is', () => {
  const type = fc.oneof(text, fc.constantFrom('application/json', 'text/plain; charset=utf-8', 'a/b+json'));
  const seen = new Set();
  check(status, nullable(type), nullable(text), nullable(text), (...head) => {
    const form = attempt(() => binding.formOfAnswer(...head));
    seen.add(form.code ?? form);
    if (form !== 'stream' && !(form instanceof NenError))
      attempt(() => binding.sealedSizeOfHead(form, head[3]));
  });
  assert.deepEqual([...seen].sort(), ['ISO-9000', 'json', 'stream', 'text']);
});
