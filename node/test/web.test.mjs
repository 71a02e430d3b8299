// Web-standard handlers, over real sockets where a server has a part in it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  createNen,
  getSessionStore,
  handleSession,
  Identity,
  InMemorySessionStore,
  NenClient,
  NenError,
  peerOf,
  setSessionStore,
  withNen,
} from '@withnen/native';
import { Hono } from 'hono';
import { clientOf, nenWithLog, serveFetch, serveRoute, session } from './web.mjs';

const post = (value, rest = {}) => ({ method: 'POST', body: JSON.stringify(value), ...rest });

test('a route of Hono answers with what its handler returns, and knows who asks', async (t) => {
  const nen = nenWithLog();
  const app = new Hono();
  app.all('/api/nen/*', (c) => nen.handleSession(c.req.raw));
  const echo = nen.withNen(async (request, body) => ({ body, peer: peerOf(request).protocol }));
  app.all('/api/echo', (c) => echo(c.req.raw));
  const client = await clientOf(await serveFetch(t, app.fetch));
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const answer = await client.nenFetch('/api/echo', post({ method }, { method }));
    assert.deepEqual({ ...answer }, { body: { method }, peer: 'NEN-PROTOCOL-V2' });
  }
  assert.equal((await client.nenFetch('/api/echo')).body, null);
  assert.equal(await client.nenFetch('/api/echo', { method: 'HEAD' }), undefined);
  assert.equal(await client.status(), true);
  await client.rotate();
  assert.equal((await client.nenFetch('/api/echo', post(1))).body, 1);
  await client.terminate();
  assert.equal(await client.status(), false);
  assert.deepEqual(
    nen.events.map(({ event }) => event),
    ['handshake', 'rotate', 'terminate'],
  );
});

test('a whole application of Hono behind protect() sees plain requests', async (t) => {
  const nen = nenWithLog();
  const app = new Hono();
  app.all('/echo/:id', async (c) => {
    const headers = Object.keys(c.req.header()).filter((name) => /^x-nen|^content|encoding/.test(name));
    const body = c.req.method === 'GET' ? null : await c.req.json();
    c.header('set-cookie', 'a=1', { append: true });
    c.header('set-cookie', 'b=2', { append: true });
    return c.json(
      { id: c.req.param('id'), body, headers, env: c.env.name, peer: peerOf(c.req.raw) !== undefined },
      201,
    );
  });
  const served = nen.protect(app.fetch);
  const client = await clientOf(await serveFetch(t, (request) => served(request, { name: 'env' })));
  const {
    status,
    headers: sent,
    data,
  } = await client.request('/echo/caf%C3%A9%20au%20lait', post({ a: 'é' }));
  assert.equal(status, 201);
  assert.deepEqual(sent.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(sent.get('cache-control'), 'no-store');
  const headers = ['content-length', 'content-type'];
  assert.deepEqual(
    { ...data, headers: data.headers.sort() },
    { id: 'café au lait', body: { a: 'é' }, headers, env: 'env', peer: true },
  );
  assert.deepEqual((await client.nenFetch('/echo/1')).headers, []);
  assert.equal((await client.request('/nowhere')).data, '404 Not Found');
  assert.equal((await client.request('/nowhere')).status, 404);
});

test('an application sees the method as it was signed', async () => {
  const nen = nenWithLog();
  const sealed = (await session(nen)).seal('PATCH', '/route', 1);
  const { url, headers } = sealed.request;
  const body = await sealed.request.text();
  const travelled = new Request(url, { method: 'patch', headers, body });
  assert.equal(travelled.method, 'patch');
  const answer = await nen.protect(({ method }) => Response.json(method))(travelled);
  assert.equal(await sealed.open(answer), 'PATCH');
});

test('a request that cannot be verified is refused before its body is read, with a plain error', async (t) => {
  const nen = nenWithLog();
  let calls = 0;
  const { url } = await serveRoute(
    t,
    nen,
    nen.withNen(() => ++calls),
  );
  const answer = await fetch(`${url}/route`, { method: 'POST', body: '{"secret":1}' });
  assert.equal(answer.status, 401);
  assert.deepEqual(Object.keys((await answer.json()).error), ['code', 'message']);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.equal(calls, 0);
  assert.deepEqual(nen.events.at(-1).code, 'ISO-2003');
  assert.equal((await fetch(`${url}/api/nen/other`)).status, 404);
  assert.equal(
    (await fetch(`${url}/api/nen/handshake`, { method: 'POST', body: 'x'.repeat(20_000) })).status,
    400,
  );
});

test('what a handler returns is sealed by the rule of the core', async (t) => {
  const nen = nenWithLog();
  const makers = {
    undefined: () => undefined,
    json: () => Response.json({ a: 1 }, { status: 422, headers: { etag: '"x"', 'x-kept': '1' } }),
    empty: () => new Response(null, { status: 204 }),
    nothing: () => new Response(null, { status: 201 }),
    text: () => new Response('gone', { status: 410 }),
    redirect: () => Response.redirect('http://x/there'),
  };
  const { call } = await serveRoute(
    t,
    nen,
    nen.withNen((_, body) => makers[body]()),
  );
  const results = {};
  for (const name of Object.keys(makers)) {
    const { data, status, headers, sealed } = await call(post(name, { redirect: 'manual' }));
    results[name] = [status, sealed, data];
    assert.equal(headers.get('etag'), null);
    assert.equal(headers.get('x-kept'), name === 'json' ? '1' : null);
  }
  assert.deepEqual(results, {
    undefined: [200, true, null],
    json: [422, true, { a: 1 }],
    empty: [200, true, null],
    nothing: [201, true, null],
    text: [410, true, 'gone'],
    redirect: [302, true, null],
  });
});

const unsealable = {
  'an error': () => {
    throw new Error('kaboom');
  },
  'an error of the protocol that is not ours': () => {
    throw new NenError('ISO-2002');
  },
  'a function': () => () => 'kaboom',
  'a bigint': () => ({ kaboom: 1n }),
  'a text of a server error': () => new Response('kaboom', { status: 500 }),
  'a compressed body': () => new Response('kaboom', { headers: { 'content-encoding': 'gzip' } }),
  304: () => new Response(null, { status: 304 }),
  'Response.error()': () => Response.error(),
  'an answer over maxAnswer': () => Response.json('kaboom'.repeat(1000)),
  'a value over maxAnswer': () => 'kaboom'.repeat(1000),
  'a body that fails': () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.error(new NenError('ISO-2002')),
      }),
      { headers: { 'content-type': 'application/json' } },
    ),
  'a body that was read': async () => {
    const response = Response.json('kaboom');
    await response.text();
    return response;
  },
  'a body that was read in part': async () => {
    const response = Response.json('kaboom');
    const reader = response.body.getReader();
    await reader.read();
    reader.releaseLock();
    return response;
  },
  'a body that somebody reads': () => {
    const response = Response.json('kaboom');
    response.body.getReader();
    return response;
  },
  'an upgrade': () => ({ status: 101, headers: new Headers(), body: null, [Symbol.toStringTag]: 'Response' }),
};

test('what cannot be sealed is ISO-9000, and nothing of it is on the wire', async (t) => {
  const nen = nenWithLog({ maxAnswer: 1000 });
  const { seal } = await session(nen);
  for (const wrap of [nen.withNen, (handler) => nen.protect(handler)]) {
    for (const [name, handler] of Object.entries(unsealable)) {
      await t.test(name, async () => {
        nen.events.length = 0;
        const answer = await wrap(handler)(seal('POST', '/route', 1).request);
        assert.equal(answer.status, 500);
        const text = await answer.text();
        assert.equal(JSON.parse(text).error.code, 'ISO-9000');
        assert.doesNotMatch(text, /kaboom/);
        assert.equal(nen.events.length, 1);
        assert.equal(nen.events[0].level, 'error');
      });
    }
  }
});

test('the body of an answer that is refused is let go', async () => {
  const nen = nenWithLog({ maxAnswer: 10 });
  const { seal } = await session(nen);
  const inits = [{ status: 500 }, { status: 404 }, { headers: { 'content-encoding': 'br' } }];
  for (const init of inits) {
    let isCancelled = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.from('plaintext')),
      cancel: () => {
        isCancelled = true;
      },
    });
    const answer = await nen.withNen(() => new Response(body, init))(seal('POST', '/route', 1).request);
    assert.equal((await answer.json()).error.code, 'ISO-9000');
    assert.equal(isCancelled, true);
  }
});

test('HEAD has the headers of the sealed answer and no body', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const handler = nen.withNen(() => ({ message: 'hello' }));
  const got = await handler(seal('GET', '/route').request);
  const head = await handler(seal('HEAD', '/route').request);
  assert.deepEqual([...head.headers], [...got.headers]);
  assert.equal(await head.text(), '');

  const told = nen.withNen(
    () => new Response(null, { headers: { 'content-type': 'application/json', 'content-length': '19' } }),
  );
  assert.equal(
    (await told(seal('HEAD', '/route').request)).headers.get('content-length'),
    got.headers.get('content-length'),
  );
  const untold = nen.withNen(() => new Response(null, { headers: { 'content-type': 'application/json' } }));
  assert.equal((await untold(seal('HEAD', '/route').request)).headers.get('content-length'), null);

  let ended = false;
  const source = {
    [Symbol.asyncIterator]: () => ({ next: () => assert.fail('was read'), return: () => (ended = true) }),
  };
  const stream = await nen.withNenStream(() => source)(seal('HEAD', '/route').request);
  assert.equal(stream.headers.get('content-type'), 'text/event-stream');
  assert.equal(stream.body, null);
  assert.equal(ended, true);
});

test('a body is opened once, in whatever pieces it arrives, and within its limit', async () => {
  const nen = nenWithLog({ maxBody: 2000 });
  const { seal } = await session(nen);
  const echo = nen.withNen((_, body) => body);
  const pieces = (text, cancelled = () => {}) =>
    new ReadableStream({
      pull(controller) {
        if (text === '') return controller.close();
        controller.enqueue(Buffer.from(text.slice(0, 1)));
        text = text.slice(1);
      },
      cancel: cancelled,
    });
  const whole = seal('POST', '/route', { text: 'x'.repeat(500) });
  const sealedText = await whole.request.clone().text();
  const slow = new Request(whole.request.url, {
    method: 'POST',
    headers: whole.request.headers,
    body: pieces(sealedText),
    duplex: 'half',
  });
  assert.deepEqual(await whole.open(await echo(slow)), { text: 'x'.repeat(500) });

  let isCancelled = false;
  const endless = seal('POST', '/route', 1, {
    body: pieces('x'.repeat(10_000), () => {
      isCancelled = true;
    }),
  });
  assert.equal((await (await echo(endless.request)).json()).error.code, 'ISO-6001');
  assert.equal(isCancelled, true);

  let isRead = false;
  const declared = seal('POST', '/route', 1, {
    body: new ReadableStream({ pull: () => (isRead = true) }, { highWaterMark: 0 }),
    headers: [['content-length', '2001']],
  });
  assert.equal((await (await echo(declared.request)).json()).error.code, 'ISO-6001');
  assert.equal(isRead, false);

  const broken = seal('POST', '/route', 1, {
    body: new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) }),
  });
  assert.equal((await (await echo(broken.request)).json()).error.code, 'ISO-6001');
  assert.ok(nen.events.every(({ event }) => event !== 'handler-failed'));

  for (const headers of [[], [['content-length', '100']]]) {
    const parsed = seal('POST', '/route', 1, { headers });
    await parsed.request.text();
    assert.equal((await (await echo(parsed.request)).json()).error.code, 'ISO-9000');
    assert.match(nen.events.at(-1).message, /read before nen could open it/);
  }
});

test('a client that goes away in the middle of its body is no failure of the handler', async (t) => {
  const nen = nenWithLog();
  const { url } = await serveRoute(
    t,
    nen,
    nen.withNen(() => assert.fail('was called')),
  );
  const { request } = (await session(nen)).seal('POST', '/route', 1);
  const socket = connect(new URL(url).port, '127.0.0.1');
  const headers = [...request.headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.write(`POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n${headers}\r\n{"ct"`);
  await once(socket, 'connect');
  setTimeout(() => socket.destroy(), 50);
  while (!nen.events.some(({ event }) => event === 'refused')) await delay(5);
  assert.deepEqual(
    nen.events.map(({ event, code }) => code ?? event),
    ['handshake', 'handshake', 'ISO-6001'],
  );
});

test('the parts of withNen make a wrapper of one’s own', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const route = async (request) => {
    try {
      const verified = await nen.verifyRequest(request);
      assert.equal(verified.peer.sessionId, request.headers.get('x-nen-session'));
      assert.equal(verified.request, request);
      assert.doesNotMatch(
        inspect(verified, { depth: null, showHidden: true }),
        new RegExp(verified.peer.sessionId),
      );
      const body = await nen.decryptBody(verified);
      return await nen.encryptResponse(
        verified,
        { received: body },
        { status: 201, headers: { 'x-a': '1' } },
      );
    } catch (error) {
      return nen.errorResponse(error, request);
    }
  };
  const sealed = seal('POST', '/route', [1]);
  const answer = await route(sealed.request);
  assert.deepEqual([answer.status, answer.headers.get('x-a')], [201, '1']);
  assert.deepEqual(await sealed.open(answer), { received: [1] });
  const bare = seal('DELETE', '/route');
  assert.deepEqual(await bare.open(await route(bare.request)), { received: null });
  assert.equal((await route(new Request('http://x/route'))).status, 401);
  assert.equal(nen.events.at(-1).code, 'ISO-2003');

  const verified = await nen.verifyRequest(seal('POST', '/route', 1).request);
  await nen.decryptBody(verified);
  await assert.rejects(nen.decryptBody(verified), { code: 'ISO-9000' });
  await assert.rejects(nen.verifyRequest(verified.request), { code: 'ISO-9000' });
  await assert.rejects(nen.encryptResponse(verified, 1n), TypeError);
  for (const status of [304, 65_736, -1, Number.NaN]) {
    await assert.rejects(nen.encryptResponse(verified, 1, { status }), { code: 'ISO-9000' }, `${status}`);
  }
  await assert.rejects(nen.decryptBody({}), TypeError);
});

test('an unsigned request passes where it is let in, and nowhere else', async () => {
  for (const strict of [true, false]) {
    const nen = nenWithLog({ strict });
    const routes = {
      lenient: nen.withNen((_, body) => body, { strict: false }),
      strict: nen.withNen((_, body) => body, { strict: true }),
      default: nen.withNen((_, body) => body),
    };
    const { seal } = await session(nen);
    const results = {};
    for (const [name, route] of Object.entries(routes)) {
      const { request } = seal('POST', '/route', 1);
      request.headers.delete('x-nen-signature');
      const answer = await route(request.clone());
      results[name] = answer.status;
      if (answer.status === 200) {
        assert.equal((await (await route(request)).json()).error.code, 'ISO-5001');
      }
    }
    assert.deepEqual(results, { lenient: 200, strict: 401, default: strict ? 401 : 200 });
  }
});

test('an endpoint that takes unsigned requests has every nonce remembered for its session, from the start', async () => {
  for (const isLenient of [false, true]) {
    const memory = new InMemorySessionStore();
    let until;
    const store = {
      get: (sid) => memory.get(sid),
      set: (sid, record, untilMs) => memory.set(sid, record, untilMs),
      delete: (sid) => memory.delete(sid),
      claimNonce: (sid, nonce, untilMs) => {
        until = untilMs;
        return memory.claimNonce(sid, nonce, untilMs);
      },
    };
    const nen = nenWithLog({ store });
    if (isLenient) nen.withNen(() => 'let in', { strict: false });
    const { seal } = await session(nen);
    assert.equal((await nen.withNen(() => 'let in')(seal('GET', '/route').request)).status, 200);
    assert.equal(until > Date.now() + 60_000, isLenient);
  }
});

test('options are checked when a server is made', () => {
  for (const [options, message] of [
    [new InMemorySessionStore(), /createNen\(\{ store \}\)/],
    [{ stor: 1 }, /no option stor/],
    [{ store: new Map() }, /no claimNonce/],
    [{ externalPrefix: '/shop?x' }, /externalPrefix/],
    [{ externalPrefix: '/shop#x' }, /externalPrefix/],
    [{ sessionTtlMs: 0 }, /sessionTtlMs/],
    [{ sessionTtlMs: '1h' }, /sessionTtlMs/],
    [{ windowMs: -1 }, /windowMs/],
    [{ maxBody: '8mb' }, /maxBody/],
    [{ noncesForSession: 'no' }, /noncesForSession/],
    [{ requireSignedLifecycle: 1 }, /requireSignedLifecycle/],
    [{ identities: 'none' }, /identities/],
    [{ identities: ['none'] }, /identities/],
  ]) {
    assert.throws(() => createNen(options), { name: 'TypeError', message });
  }
  const identities = [Identity.generate().publicKey].values();
  createNen({ identities, strict: false });
});

test('options and handlers are checked when a route is made', () => {
  const nen = nenWithLog();
  for (const wrap of [nen.withNen, nen.withNenStream, nen.protect]) {
    assert.throws(() => wrap(() => 1, { stict: false }), /no option stict/);
    assert.throws(() => wrap(() => 1, { strict: 'no' }), TypeError);
    assert.throws(() => wrap({}), TypeError);
  }
});

test('the keys that may connect are read once, when the server is made', async () => {
  const identity = Identity.generate();
  for (const keys of [[identity.publicKey], [identity.publicKey].values()]) {
    const nen = createNen({ identities: keys, strict: false, log: () => {} });
    const fetch = (url, init) => nen.handleSession(new Request(url, init));
    await new NenClient('http://x', { identity, fetch }).handshake();
  }
  const keys = [identity.publicKey];
  const nen = createNen({ identities: keys, log: () => {} });
  const fetch = (url, init) => nen.handleSession(new Request(url, init));
  const other = Identity.generate();
  keys.push(other.publicKey);
  nen.protect(() => new Response(), { strict: false });
  await new NenClient('http://x', { identity, fetch }).handshake();
  const stranger = new NenClient('http://x', { identity: other, fetch });
  await assert.rejects(stranger.handshake(), { code: 'ISO-3004' });
});

test('a request that is protected twice is refused, and the log says so', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const inner = nen.withNen(() => 'secret');
  for (const route of [nen.withNen((request) => inner(request)), nen.protect(inner)]) {
    const sealed = seal('POST', '/route', 1);
    const answer = await route(sealed.request);
    assert.equal(answer.status, 500);
    assert.equal((await sealed.open(answer)).error.code, 'ISO-9000');
    assert.match(nen.events.at(-1).message, /protected twice/);
  }
});

test('the path that is checked is the path that is routed by', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const { request } = seal('GET', '/b');
  const route = nen.withNen(() => 'secret');
  for (const url of ['http://x/a/../b', 'http://x/b#c', 'http://x/%62']) {
    const forged = { method: 'GET', url, headers: request.headers };
    assert.equal((await (await route(forged)).json()).error.code, 'ISO-3002', url);
  }
  assert.equal((await route(request)).status, 200);
});

test('a store that is waited for serves all of it, and one that fails is ISO-9001', async () => {
  const records = new Map();
  const nonces = new Set();
  let isDown = false;
  const waited = async (reply) => {
    await new Promise(setImmediate);
    if (isDown) throw new Error('no connection');
    return reply();
  };
  const store = {
    get: (sid) => waited(() => records.get(sid)),
    set: (sid, record) => waited(() => void records.set(sid, record)),
    delete: (sid) => waited(() => void records.delete(sid)),
    claimNonce: (sid, nonce) =>
      waited(() => {
        const size = nonces.size;
        return nonces.add(`${sid} ${nonce.toString('hex')}`).size > size;
      }),
  };
  const nen = nenWithLog({ store });
  const { seal } = await session(nen);
  const route = nen.withNen((_, body) => body);
  const sealed = seal('POST', '/route', { a: 1 });
  const replayed = sealed.request.clone();
  assert.deepEqual(await sealed.open(await route(sealed.request)), { a: 1 });
  assert.equal((await (await route(replayed)).json()).error.code, 'ISO-5001');
  isDown = true;
  const answer = await route(seal('POST', '/route', 1).request);
  assert.equal(answer.status, 503);
  assert.equal((await answer.json()).error.code, 'ISO-9001');
});

test('bodies and answers beyond what is worked on at once arrive, too', async (t) => {
  const nen = nenWithLog({ maxBody: 2 * 1024 * 1024 });
  const { call } = await serveRoute(
    t,
    nen,
    nen.withNen((_, body) => body),
  );
  const large = { text: 'é'.repeat(600_000) };
  assert.deepEqual({ ...(await call(post(large))).data }, large);
});

test('the functions of the module serve the store that was set', async () => {
  const store = new InMemorySessionStore();
  const before = getSessionStore();
  const route = withNen(() => 'served');
  setSessionStore(store);
  const { seal } = await session({ handleSession });
  const sealed = seal('GET', '/route');
  assert.equal(await sealed.open(await route(sealed.request)), 'served');
  setSessionStore(before);
  assert.equal((await route(seal('GET', '/route').request)).status, 401);
});

test('an answer of another server is sealed as it comes, and a page of its own as a stream', async (t) => {
  const upstream = await serveFetch(t, () => Response.json({ far: true }, { status: 203 }));
  const nen = nenWithLog();
  const { client, call } = await serveRoute(
    t,
    nen,
    nen.withNen((_, body) => (body === 'page' ? new Response('<p>page') : fetch(upstream))),
  );
  const { status, data } = await call(post('far'));
  assert.deepEqual([status, { ...data }], [203, { far: true }]);
  const chunks = [];
  for await (const chunk of client.nenStream('/route', post('page'))) chunks.push(chunk);
  assert.deepEqual(chunks, ['<p>page']);
});
