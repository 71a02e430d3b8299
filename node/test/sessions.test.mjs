import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { createNenFetch, Identity, NenClient } from '@withnen/native';
import { startServer, terminateBehindTheBack } from './server.mjs';

const connect = async (server, options) => {
  const client = new NenClient(server.url, options);
  await client.handshake();
  return client;
};

test('before the handshake there is no session', async (t) => {
  const server = await startServer({}, t);
  const client = new NenClient(server.url);
  assert.equal(client.sessionId, undefined);
  assert.equal(await client.status(), false);
  await client.terminate();
  assert.equal(server.requests.length, 0);
  await assert.rejects(client.nenFetch('/api/secure-data'), { code: 'ISO-2001' });
  await assert.rejects(client.rotate(), { code: 'ISO-2001' });
  await assert.rejects(client.nenStream('/api/chat').next(), { code: 'ISO-2001' });
});

test('a session lives from handshake to terminate', async (t) => {
  const server = await startServer({ options: { requireSignedLifecycle: true } }, t);
  const client = await connect(server);
  assert.match(client.sessionId, /^[\da-f-]{36}$/);
  assert.equal(await client.status(), true);
  assert.equal(server.store.sessions, 1);
  await client.terminate();
  assert.equal(client.sessionId, undefined);
  assert.equal(server.store.sessions, 0);
  assert.equal(await client.status(), false);
  await assert.rejects(client.nenFetch('/api/secure-data'), { code: 'ISO-2001' });
});

test('status is false for a session that the server does not have', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server);
  await terminateBehindTheBack(client, server.url);
  assert.equal(await client.status(), false);
  await client.terminate();
});

test('rotation replaces the session, on both sides', async (t) => {
  const server = await startServer({ options: { requireSignedLifecycle: true } }, t);
  const client = await connect(server);
  const old = client.sessionId;
  await client.rotate();
  assert.notEqual(client.sessionId, old);
  assert.equal(server.store.sessions, 1);
  assert.equal((await client.nenFetch('/api/secure-data')).message, 'Securely processed');
});

test('a rotation that fails keeps the session', async (t) => {
  const server = await startServer({}, t);
  let broken = false;
  const client = await connect(server, {
    fetch: (url, init) => (broken ? Promise.reject(new TypeError('down')) : fetch(url, init)),
  });
  const id = client.sessionId;
  broken = true;
  await assert.rejects(client.rotate(), { code: 'ISO-1003' });
  await assert.rejects(client.terminate(), TypeError);
  broken = false;
  assert.equal(client.sessionId, id);
  assert.equal((await client.nenFetch('/api/secure-data')).message, 'Securely processed');
});

test('a dead session is rotated by a handshake', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server);
  const old = client.sessionId;
  await terminateBehindTheBack(client, server.url);
  await client.rotate();
  assert.notEqual(client.sessionId, old);
  assert.equal(await client.status(), true);
});

test('a wrong clock is corrected for rotate, terminate and status', async (t) => {
  const server = await startServer({ now: () => Date.now() + 90_000 }, t);
  for (const use of [
    (client) => client.rotate(),
    async (client) => assert.equal(await client.status(), true),
    async (client) => {
      await client.terminate();
      assert.equal(client.sessionId, undefined);
    },
  ]) {
    await use(await connect(server));
  }
});

test('an endpoint that answers something else is no success', async (t) => {
  const server = await startServer({}, t);
  let lie = '';
  const client = await connect(server, {
    fetch: async (url, init) => (lie ? new Response(lie) : fetch(url, init)),
  });
  const id = client.sessionId;
  for (lie of ['<html>sign in</html>', '{"success":false}', '{}']) {
    await assert.rejects(client.terminate(), { code: 'ISO-6001' });
    await assert.rejects(client.status(), { code: 'ISO-6001' });
    await assert.rejects(client.rotate(), { code: 'ISO-1004' });
    assert.equal(client.sessionId, id);
  }
  lie = '';
  assert.equal(await client.status(), true);
});

test('requests in flight are answered under their keys while the session is rotated', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server);
  for (let round = 0; round < 5; round++) {
    const calls = Array.from({ length: 8 }, (_, i) =>
      client.nenFetch('/api/slow', { method: 'POST', body: JSON.stringify(i) }),
    );
    while (server.count('POST /api/slow') < (round + 1) * 8)
      await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([client.rotate(), client.rotate()]);
    assert.deepEqual(await Promise.all(calls), [0, 1, 2, 3, 4, 5, 6, 7]);
  }
  assert.equal(server.count('POST /api/nen/rotate'), 5);
  assert.equal(server.count('POST /api/nen/handshake'), 1);
});

test('requests that race with a rotation all succeed', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server);
  for (let round = 0; round < 10; round++) {
    const calls = Array.from({ length: 8 }, (_, i) =>
      client.nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify(i) }),
    );
    await client.rotate();
    const answers = await Promise.all(calls);
    assert.deepEqual(
      answers.map(({ received }) => received),
      [...Array(8).keys()],
    );
  }
  assert.equal(server.count('POST /api/nen/rotate'), 10);
});

test('16 concurrent calls recover a lost session with one handshake', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server);
  await terminateBehindTheBack(client, server.url);
  const old = client.sessionId;
  const calls = Array.from({ length: 16 }, (_, i) =>
    client.nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify(i) }),
  );
  const answers = await Promise.all(calls);
  assert.deepEqual(
    answers.map(({ received }) => received),
    [...Array(16).keys()],
  );
  assert.equal(server.count('POST /api/nen/handshake'), 2);
  assert.notEqual(client.sessionId, old);
});

test('calls that find out late use the session that is there already', async (t) => {
  const server = await startServer({}, t);
  let hold = Promise.resolve();
  const client = await connect(server, {
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (url.endsWith('/api/slow')) await hold;
      return response;
    },
  });
  await terminateBehindTheBack(client, server.url);
  let release;
  hold = new Promise((resolve) => {
    release = resolve;
  });
  const late = client.nenFetch('/api/slow', { method: 'POST', body: '"late"' });
  await client.nenFetch('/api/secure-data');
  release();
  hold = Promise.resolve();
  assert.equal(await late, 'late');
  assert.equal(server.count('POST /api/nen/handshake'), 2);
});

test('a stream recovers a lost session before its first chunk', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server);
  await terminateBehindTheBack(client, server.url);
  let text = '';
  for await (const chunk of client.nenStream('/api/chat')) text += chunk;
  assert.equal(text, 'secure streaming works ');
});

test('recovery that fails is reported to every call, after one handshake', async (t) => {
  const server = await startServer({}, t);
  let handshakes = 0;
  const client = await connect(server, {
    fetch: (url, init) => {
      if (url.endsWith('/handshake') && handshakes++ > 0) return Promise.reject(new TypeError('down'));
      return fetch(url, init);
    },
  });
  await terminateBehindTheBack(client, server.url);
  const calls = Array.from({ length: 4 }, () => client.nenFetch('/api/secure-data'));
  const results = await Promise.allSettled(calls);
  assert.deepEqual(
    results.map(({ reason }) => reason.code),
    Array(4).fill('ISO-1003'),
  );
});

test('a session that is lost again at once is reported', async (t) => {
  let clock = Date.now();
  const server = await startServer({ now: () => clock, options: { sessionTtlMs: 1000 } }, t);
  const client = await connect(server, {
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      if (url.endsWith('/handshake')) clock += 2000;
      return response;
    },
  });
  await assert.rejects(client.nenFetch('/api/secure-data'), { code: 'ISO-2002' });
  assert.equal(server.count('POST /api/nen/handshake'), 2);
  assert.equal(server.count('GET /api/secure-data'), 2);
});

test('concurrent handshakes are one; later ones are new', async (t) => {
  const server = await startServer({}, t);
  const client = new NenClient(server.url);
  await Promise.all(Array.from({ length: 16 }, () => client.handshake()));
  assert.equal(server.count('POST /api/nen/handshake'), 1);
  const first = client.sessionId;
  await client.handshake();
  assert.notEqual(client.sessionId, first);
});

test('createNenFetch shakes hands on first use, once', async (t) => {
  const server = await startServer({}, t);
  const nenFetch = createNenFetch(server.url);
  assert.equal(server.requests.length, 0);
  const calls = Array.from({ length: 16 }, (_, i) =>
    nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify(i) }),
  );
  assert.deepEqual(
    (await Promise.all(calls)).map(({ received }) => received),
    [...Array(16).keys()],
  );
  assert.equal(server.count('POST /api/nen/handshake'), 1);
});

test('one caller that aborts its handshake does not abort the others', async (t) => {
  let release;
  const hold = new Promise((resolve) => {
    release = resolve;
  });
  const server = await startServer({ hold }, t);
  const client = new NenClient(server.url);
  const controller = new AbortController();
  const aborted = client.handshake({ signal: controller.signal });
  const other = client.handshake();
  controller.abort(new Error('not me'));
  await assert.rejects(aborted, /not me/);
  await assert.rejects(client.handshake({ signal: controller.signal }), /not me/);
  release();
  await other;
  assert.equal(server.count('POST /api/nen/handshake'), 1);
  assert.equal(await client.status(), true);
});

/** A fetch whose first call of one path waits, also after it was aborted if it `ignoresSignals`. */
function held(path, { ignoresSignals = false } = {}) {
  const gate = withResolvers();
  const arrived = withResolvers();
  const signals = [];
  const fetchHeld = async (url, init) => {
    if (!url.endsWith(path)) return fetch(url, init);
    signals.push(init.signal);
    arrived.resolve();
    if (signals.length === 1) await gate.promise;
    return fetch(url, ignoresSignals ? { ...init, signal: null } : init);
  };
  return { fetch: fetchHeld, signals, arrived: arrived.promise, release: gate.resolve };
}

function withResolvers() {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
}

test('a handshake that all have aborted is aborted, and the next one starts anew', async (t) => {
  const server = await startServer({}, t);
  const slow = held('/handshake', { ignoresSignals: true });
  const client = new NenClient(server.url, { fetch: slow.fetch });
  const controller = new AbortController();
  const both = [1, 2].map(() => client.handshake({ signal: controller.signal }));
  await slow.arrived;
  controller.abort(new Error('enough'));
  for (const one of both) await assert.rejects(one, /enough/);
  assert.equal(slow.signals.length, 1);
  assert.ok(slow.signals[0].aborted);
  await client.handshake();
  const { sessionId } = client;
  slow.release(); // Its answer comes too late.
  while (server.count('POST /api/nen/handshake') < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await client.status(), true);
  assert.equal(client.sessionId, sessionId);
});

test('a change that was aborted while it waited for its turn is not made', async (t) => {
  const server = await startServer({}, t);
  const slow = held('/rotate');
  const client = await connect(server, { fetch: slow.fetch });
  const rotation = client.rotate();
  await slow.arrived;
  const controller = new AbortController();
  const termination = client.terminate({ signal: controller.signal });
  controller.abort(new Error('changed my mind'));
  await assert.rejects(termination, /changed my mind/);
  slow.release();
  await rotation;
  assert.equal(await client.status(), true);
  assert.equal(server.count('POST /api/nen/terminate'), 0);
});

test('a call that gives up leaves the re-establishment to the others', async (t) => {
  const server = await startServer({}, t);
  let slow = { fetch };
  const client = await connect(server, { fetch: (url, init) => slow.fetch(url, init) });
  await terminateBehindTheBack(client, server.url);
  slow = held('/handshake');
  const controller = new AbortController();
  const impatient = client.nenFetch('/api/secure-data', { signal: controller.signal });
  await slow.arrived;
  const patient = client.nenFetch('/api/secure-data');
  while (server.count('GET /api/secure-data') < 2) await new Promise((resolve) => setImmediate(resolve));
  // The refusal has yet to come back to the client before it can wait for the same handshake.
  await client.status();
  controller.abort(new Error('enough'));
  await assert.rejects(impatient, /enough/);
  slow.release();
  assert.equal((await patient).message, 'Securely processed');
  assert.equal(slow.signals.length, 1);
  assert.equal(server.count('POST /api/nen/handshake'), 2);
});

test('a timeout is the reason that is thrown, also by a first use and by an implementation without signals', async (t) => {
  const server = await startServer({}, t);
  const slow = held('/handshake', { ignoresSignals: true });
  const nenFetch = createNenFetch(server.url, { fetch: slow.fetch });
  await assert.rejects(nenFetch('/api/secure-data', { signal: AbortSignal.timeout(20) }), {
    name: 'TimeoutError',
  });
  const other = held('/api/secure-data', { ignoresSignals: true });
  const client = await connect(server, { fetch: other.fetch });
  await assert.rejects(client.nenFetch('/api/secure-data', { signal: AbortSignal.timeout(20) }), {
    name: 'TimeoutError',
  });
  slow.release();
  other.release();
});

test('a session ends while a request is in flight, which is answered; a handshake meanwhile comes after', async (t) => {
  const server = await startServer({}, t);
  const slow = held('/terminate');
  const client = await connect(server, { fetch: slow.fetch });
  const first = client.sessionId;
  const call = client.nenFetch('/api/slow', { method: 'POST', body: '1' });
  while (server.count('POST /api/slow') === 0) await new Promise((resolve) => setImmediate(resolve));
  const termination = client.terminate();
  await slow.arrived;
  const handshake = client.handshake();
  slow.release();
  await Promise.all([termination, handshake]);
  assert.equal(await call, 1);
  assert.notEqual(client.sessionId, first);
  assert.equal(await client.status(), true);
});

test('a first use that fails is tried again by the next call', async (t) => {
  const server = await startServer({}, t);
  let down = true;
  const nenFetch = createNenFetch(server.url, {
    fetch: (url, init) => (down ? Promise.reject(new TypeError('down')) : fetch(url, init)),
  });
  const failed = await Promise.allSettled([nenFetch('/api/secure-data'), nenFetch('/api/secure-data')]);
  assert.deepEqual(
    failed.map(({ reason }) => reason.code),
    ['ISO-1003', 'ISO-1003'],
  );
  down = false;
  assert.equal((await nenFetch('/api/secure-data')).message, 'Securely processed');
  assert.equal(server.count('POST /api/nen/handshake'), 1);
});

test('a fetch that calls the client while that changes its session is told so and does not wait for itself', async (t) => {
  const server = await startServer({}, t);
  let inside = true;
  const nenFetch = createNenFetch(server.url, {
    fetch: async (url, init) => {
      if (inside) await nenFetch('/api/secure-data');
      return fetch(url, init);
    },
  });
  const error = await nenFetch('/api/secure-data').catch((error) => error);
  assert.equal(error.code, 'ISO-1003');
  assert.match(error.cause.message, /would wait for itself/);
  inside = false;
  assert.equal((await nenFetch('/api/secure-data')).message, 'Securely processed');
});

test('the log is told of a session made anew and of a corrected clock', async (t) => {
  let ahead = 0;
  const server = await startServer({ now: () => Date.now() + ahead }, t);
  const events = [];
  const log = (event) => {
    events.push(event);
    throw new Error('a log that fails');
  };
  const client = await connect(server, { log });
  const told = () => events.splice(0).map(({ event, level, server }) => ({ event, level, server }));
  await client.nenFetch('/api/secure-data');
  assert.deepEqual(told(), []);
  const anew = { event: 'reestablished', level: 'info', server: server.url };
  for (const use of [() => client.nenFetch('/api/secure-data'), () => client.rotate()]) {
    await terminateBehindTheBack(client, server.url);
    await use();
    assert.deepEqual(told(), [anew]);
  }
  for (const use of [() => client.nenFetch('/api/secure-data'), () => client.status()]) {
    ahead += 90_000;
    await use();
    assert.deepEqual(told(), [{ event: 'clock-corrected', level: 'warn', server: server.url }]);
  }
});

test('neither the client nor its errors show keys, ids or plaintext', async (t) => {
  const server = await startServer({}, t);
  const client = await connect(server, { identityMode: 'pqc' });
  const secret = Buffer.from(client.identity.toPkcs8()).toString('hex', 22);
  const init = { method: 'POST', body: '{"hidden":"plain"}' };
  const errors = await Promise.all(
    ['/api/nowhere', '/api/boom', '/api/faults/tampered', '/api/faults/reflected'].map((path) =>
      client.nenFetch(path, init).catch((error) => error),
    ),
  );
  for (const value of [client, client.identity, ...errors]) {
    const shown = inspect(value, { depth: 9, showHidden: true }) + JSON.stringify(value);
    assert.ok(!shown.includes('plain"') && !shown.includes('no such thing') && !shown.includes(secret));
    assert.ok(!shown.includes(client.sessionId));
  }
});

test('an identity is verified by the server', async (t) => {
  const identity = Identity.generate();
  const server = await startServer({ options: { identities: [identity.publicKey] } }, t);
  const whoami = async (client) =>
    (await client.nenFetch('/api/whoami', { method: 'POST', body: '{}' })).identity;
  const expected = Buffer.from(identity.publicKey).toString('base64');
  const again = Identity.fromPkcs8(identity.toPkcs8());
  for (const options of [
    { identity },
    { identityMode: 'pqc', identity: again },
    { identity: again.toPkcs8() },
  ]) {
    const client = await connect(server, options);
    assert.equal(await whoami(client), expected);
    await client.rotate();
    assert.equal(await whoami(client), expected);
  }
  await assert.rejects(new NenClient(server.url).handshake(), { code: 'ISO-3004' });
  await assert.rejects(new NenClient(server.url, { identityMode: 'pqc' }).handshake(), { code: 'ISO-3004' });
});

test('a secret key that is no Uint8Array is a TypeError that quotes nothing', () => {
  const { fromPkcs8, generate } = Identity;
  const der = generate().toPkcs8();
  for (const wrong of [
    'secret',
    undefined,
    new DataView(der.buffer),
    new Int8Array(der),
    new Proxy(der, {}),
  ]) {
    const expected = { name: 'TypeError', message: 'der must be a Uint8Array' };
    assert.throws(() => fromPkcs8(wrong), expected);
  }
  const shared = new Uint8Array(new SharedArrayBuffer(der.length));
  shared.set(der);
  assert.deepEqual(fromPkcs8(shared).toPkcs8(), der);
});

test("identityMode 'pqc' draws a key that can be kept", async (t) => {
  const server = await startServer({ options: { requireIdentity: true } }, t);
  const client = await connect(server, { identityMode: 'pqc' });
  const { identity } = await client.nenFetch('/api/whoami');
  assert.equal(identity, Buffer.from(client.identity.publicKey).toString('base64'));
  const later = await connect(server, { identity: client.identity.toPkcs8() });
  assert.equal((await later.nenFetch('/api/whoami')).identity, identity);
});
