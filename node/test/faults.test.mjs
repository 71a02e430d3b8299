import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { NenClient, NenError, NenHttpError } from '@withnen/native';
import { startServer } from './server.mjs';

let server;
let client;
before(async () => {
  server = await startServer();
  client = new NenClient(server.url);
  await client.handshake();
});
after(() => server.close());

const lies = {
  tampered: 'ISO-4001',
  plaintext: 'ISO-6001',
  reflected: 'ISO-5001',
  'not-base64': 'ISO-6002',
  'not-json': 'ISO-4003',
  'no-body': 'ISO-6001',
};
for (const [lie, code] of Object.entries(lies)) {
  test(`an answer that is ${lie} is ${code}`, async () => {
    const call = client.nenFetch(`/api/faults/${lie}`, { method: 'POST', body: '{"a":1}' });
    const error = await call.catch((error) => error);
    assert.ok(error instanceof NenError);
    assert.equal(error.code, code);
  });
}

const brokenStreams = {
  truncated: ['ISO-7003', 'half'],
  reset: ['ISO-7003', 'half'],
  reordered: ['ISO-4001', 'a'],
  'no-stream-nonce': ['ISO-7001', ''],
  'no-body': ['ISO-7002', ''],
};
for (const [fault, [code, text]] of Object.entries(brokenStreams)) {
  test(`a stream that is ${fault} is ${code}, after what was good`, async () => {
    let received = '';
    const read = async () => {
      for await (const chunk of client.nenStream(`/api/faults/${fault}`)) received += chunk;
    };
    await assert.rejects(read(), (error) => error instanceof NenError && error.code === code);
    assert.equal(received, text);
  });
}

test('a stream request that is refused has the code of the refusal', async () => {
  const codes = { '/api/boom': 'ISO-9000', '/api/nowhere': 'ISO-7002', '/foreign/bad-gateway': 'ISO-7002' };
  for (const [path, code] of Object.entries(codes)) {
    await assert.rejects(client.nenStream(path).next(), { code }, path);
  }
});

test("a proxy's 502 is handed over and never taken for an answer", async () => {
  const answer = await client.request('/foreign/bad-gateway');
  assert.deepEqual([answer.status, answer.ok, answer.sealed, answer.data], [502, false, false, undefined]);
  assert.equal(await answer.response.text(), '<h1>Bad Gateway</h1>');
  assert.equal(answer.response.headers.get('x-proxy'), 'yes');
  const error = await client.nenFetch('/foreign/bad-gateway').catch((error) => error);
  assert.ok(error instanceof NenHttpError);
  assert.deepEqual([error.status, error.sealed, error.data], [502, false, undefined]);
});

test('a reason phrase that no Response can have does not hide the answer', async () => {
  const answer = await client.request('/foreign/reason');
  assert.deepEqual([answer.status, answer.sealed, answer.response.statusText], [502, false, '']);
  assert.equal(await answer.response.text(), 'no');
  await assert.rejects(client.nenFetch('/foreign/reason'), { name: 'NenHttpError', status: 502 });
  await assert.rejects(client.nenStream('/foreign/reason').next(), { code: 'ISO-7002' });
});

test('what was decrypted does not show when an error is logged', async () => {
  const { inspect } = await import('node:util');
  const error = await client.nenFetch('/api/nowhere').catch((error) => error);
  assert.ok(!inspect(error, { depth: 9 }).includes('no such thing'));
  assert.ok(!JSON.stringify(error).includes('no such thing'));
});

test('a redirect is an answer and is not followed', async () => {
  const before = server.count('GET /api/secure-data');
  const answer = await client.request('/foreign/redirect');
  assert.deepEqual([answer.status, answer.sealed], [307, false]);
  assert.equal(answer.headers.get('location'), '/api/secure-data');
  await assert.rejects(client.nenFetch('/foreign/redirect'), { name: 'NenHttpError', status: 307 });
  await assert.rejects(client.nenFetch('/foreign/redirect', { redirect: 'error' }), TypeError);
  await assert.rejects(client.nenFetch('/foreign/redirect', { redirect: 'follow' }), /not possible/);
  await assert.rejects(client.nenStream('/foreign/redirect').next(), { code: 'ISO-7002' });
  const follower = new NenClient(server.url, {
    fetch: (url, init) => fetch(url, { ...init, redirect: 'follow' }),
  });
  await follower.handshake();
  await assert.rejects(follower.nenFetch('/foreign/redirect'), /followed a redirect/);
  assert.equal(server.count('GET /api/secure-data'), before + 1);
});

test('a bare 401 is handed over and makes no new session', async () => {
  const handshakes = server.count('POST /api/nen/handshake');
  const answer = await client.request('/foreign/unauthorized');
  assert.deepEqual([answer.status, answer.sealed], [401, false]);
  assert.equal(server.count('POST /api/nen/handshake'), handshakes);
});

test('a body over the limit is not read to its end', async () => {
  const small = new NenClient(server.url, { maxAnswer: 10_000 });
  await small.handshake();
  await assert.rejects(small.request('/foreign/large'), { code: 'ISO-6001' });
});

test('an answer that comes byte by byte takes up little more than its bytes', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const before = process.memoryUsage().heapUsed;
  let [left, grown] = [300_000, 0];
  const pull = (controller) => {
    if (left-- > 0) return controller.enqueue(new Uint8Array(1));
    gc();
    grown = process.memoryUsage().heapUsed - before;
    controller.close();
  };
  const dripping = async () => new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
  await assert.rejects(new NenClient(server.url, { fetch: dripping }).handshake(), { code: 'ISO-1004' });
  assert.ok(left < 0 && grown < 8 * 1024 * 1024, `${grown} bytes`);
});

test('a small compressed answer of any size is not read to its end', async (t) => {
  const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
  const http = createServer((_, response) => {
    response.writeHead(502, { 'content-encoding': 'gzip' }).end(bomb);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => http.close());
  t.after(() => http.closeAllConnections());
  const elsewhere = `http://127.0.0.1:${http.address().port}`;
  const client = new NenClient(server.url, {
    fetch: (url, init) => fetch(url.replace(/^.*(?=\/foreign\/)/, elsewhere), init),
  });
  await client.handshake();
  const before = process.memoryUsage.rss();
  await assert.rejects(client.request('/foreign/bomb'), { code: 'ISO-6001', detail: /maxAnswer/ });
  assert.ok(process.memoryUsage.rss() - before < 150 * 1024 * 1024);
});

/** Answers as other implementations of fetch hand them over. */
const shapes = {
  "a stream of Node's, as of node-fetch": (response) => ({
    ...head(response),
    body: Readable.fromWeb(response.body),
    bodyUsed: false,
  }),
  'chunks that are ArrayBuffers': (response) => ({
    ...head(response),
    body: response.body.pipeThrough(
      new TransformStream({
        transform: (chunk, controller) => controller.enqueue(new Uint8Array(chunk).buffer),
      }),
    ),
  }),
  'single bytes': (response) => ({
    ...head(response),
    body: response.body.pipeThrough(
      new TransformStream({
        transform(chunk, controller) {
          for (const byte of chunk) controller.enqueue(Uint8Array.of(byte));
        },
      }),
    ),
  }),
};
const head = ({ status, headers }) => ({ status, headers });

for (const [name, shape] of Object.entries(shapes)) {
  test(`a fetch that gives ${name} will do`, async () => {
    const client = new NenClient(server.url, { fetch: async (url, init) => shape(await fetch(url, init)) });
    await client.handshake();
    assert.equal((await client.nenFetch('/api/secure-data')).message, 'Securely processed');
    let text = '';
    for await (const chunk of client.nenStream('/api/chat')) text += chunk;
    assert.equal(text, 'secure streaming works ');
    server.aborted.length = 0;
    const init = { method: 'POST', body: JSON.stringify({ chunks: ['first'], endless: true }) };
    const stream = client.nenStream('/api/chat', init);
    await stream.next();
    const next = stream.next();
    await stream.return();
    assert.equal((await next).done, true);
    while (server.aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });
}

test('a fetch that gives what is no answer is told so', async () => {
  let lie;
  const client = new NenClient(server.url, {
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      return url.endsWith('/handshake') ? response : lie(response);
    },
  });
  await client.handshake();
  const used = async (response) => {
    await response.text();
    return response;
  };
  const lies = [
    [() => undefined, /no Response/],
    [() => ({ ok: true, json: async () => ({}) }), /no Response/],
    [() => Response.error(), /its status is 0, its type error/],
    [() => ({ ...head(new Response()), status: 0, type: 'opaqueredirect', body: null }), /redirect/],
    [() => ({ ...head(new Response()), status: 101, body: null }), /changed its protocol/],
    [() => head(new Response()), /no response\.body/],
    [() => ({ ...head(new Response()), body: 'text' }), /no response\.body/],
    [used, /has read the body/],
  ];
  for (const [how, message] of lies) {
    lie = how;
    await assert.rejects(client.request('/api/secure-data'), { name: 'TypeError', message });
  }
});

test('a stream chunk over maxChunk is refused', async () => {
  const small = new NenClient(server.url, { maxChunk: 100 });
  await small.handshake();
  const stream = (size) =>
    small.nenStream('/api/chat', { method: 'POST', body: JSON.stringify({ chunks: ['x'.repeat(size)] }) });
  assert.equal((await stream(100).next()).value.length, 100);
  await assert.rejects(stream(1000).next(), { code: 'ISO-6001' });
});

test('an unreachable server is ISO-1003, with the cause', async () => {
  const gone = await startServer();
  await gone.close();
  const error = await new NenClient(gone.url).handshake().catch((error) => error);
  assert.equal(error.code, 'ISO-1003');
  assert.ok(error.cause instanceof TypeError);
});

test('what a proxy answers in the place of a handshake is the cause of ISO-1004', async (t) => {
  const http = createServer((_, response) =>
    response.writeHead(429, { 'retry-after': '7' }).end('Slow down'),
  );
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(() => http.close());
  const client = new NenClient(`http://127.0.0.1:${http.address().port}`);
  const error = await client.handshake().catch((error) => error);
  assert.deepEqual([error.code, error.cause.status], ['ISO-1004', 429]);
  assert.equal(error.cause.response.headers.get('retry-after'), '7');
  assert.equal(await error.cause.response.response.text(), 'Slow down');
  assert.doesNotMatch(inspect(error), /Slow down/);
});

test('an answer that is no handshake is ISO-1004', async () => {
  const key = (bytes) => Buffer.alloc(bytes).toString('base64');
  const good = { sid: '3f2b8c1e-4d5a-4b6c-8d7e-9f0a1b2c3d4e', ct: key(1088), hmac: key(32) };
  const answers = [
    [404, 'Not Found'],
    [500, '{}'],
    [302, ''],
    [200, ''],
    [200, '<html>'],
    [200, '[]'],
    [200, JSON.stringify({ ...good, sid: 'x' })],
    [200, JSON.stringify({ ...good, ct: key(1087) })],
    [200, JSON.stringify({ ...good, hmac: key(31) })],
    [200, JSON.stringify({ ...good, hmac: 7 })],
    [200, JSON.stringify({ ...good, sid: undefined })],
    [200, `"${'x'.repeat(20 * 1024 * 1024)}"`],
  ];
  let answer;
  const http = createServer((_, response) => response.writeHead(answer[0]).end(answer[1]));
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  const client = new NenClient(`http://127.0.0.1:${http.address().port}`);
  for (answer of answers) {
    await assert.rejects(client.handshake(), { code: 'ISO-1004' }, `${answer[0]} ${answer[1].slice(0, 90)}`);
    assert.equal(client.sessionId, undefined);
  }
  answer = [200, JSON.stringify(good)];
  await client.handshake();
  assert.equal(client.sessionId, good.sid);
  http.close();
});

test("a handshake that the server refuses has the server's code", async (t) => {
  const strict = await startServer({ options: { requireIdentity: true } }, t);
  await assert.rejects(new NenClient(strict.url).handshake(), { code: 'ISO-3004' });
});

test("a wrong clock is corrected by the server's, once, and can be left alone", async (t) => {
  const ahead = await startServer({ now: () => Date.now() + 90_000 }, t);
  const client = new NenClient(ahead.url);
  await client.handshake();
  assert.equal((await client.nenFetch('/api/secure-data')).message, 'Securely processed');
  assert.equal(ahead.count('GET /api/secure-data'), 2);
  await client.nenFetch('/api/secure-data');
  assert.equal(ahead.count('GET /api/secure-data'), 3);
  let text = '';
  for await (const chunk of client.nenStream('/api/chat')) text += chunk;
  assert.equal(text, 'secure streaming works ');

  const stubborn = new NenClient(ahead.url, { correctClock: false });
  await stubborn.handshake();
  await assert.rejects(stubborn.nenFetch('/api/secure-data'), { code: 'ISO-3003' });
  await assert.rejects(stubborn.nenStream('/api/chat').next(), { code: 'ISO-3003' });
});

test('a wrong clock is corrected for a stream too', async (t) => {
  const behind = await startServer({ now: () => Date.now() - 90_000 }, t);
  const client = new NenClient(behind.url);
  await client.handshake();
  let text = '';
  for await (const chunk of client.nenStream('/api/chat')) text += chunk;
  assert.equal(text, 'secure streaming works ');
});
