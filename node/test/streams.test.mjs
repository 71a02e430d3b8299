import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createNenStream, NenClient, NenHttpError } from '@withnen/native';
import { startServer } from './server.mjs';

let server;
let client;
before(async () => {
  server = await startServer();
  client = new NenClient(server.url);
  await client.handshake();
});
after(() => server.close());

const chat = (body, init = {}) =>
  client.nenStream('/api/chat', { method: 'POST', body: JSON.stringify(body), ...init });
const collect = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};

test('chunks arrive as they were sent, for POST and GET', async () => {
  assert.deepEqual(await collect(client.nenStream('/api/chat')), ['secure ', 'streaming ', 'works ']);
  assert.deepEqual(await collect(chat({ chunks: ['a', 'b'] })), ['a', 'b']);
  assert.deepEqual(await collect(chat({ chunks: [] })), []);
  assert.deepEqual((await collect(chat({ chunks: ['__FIN__', 'more'] }))).join(''), '__FIN__more');
});

test('chunks are delivered while the stream is open, and leaving the loop cancels it', async () => {
  for await (const chunk of chat({ chunks: ['first'], endless: true })) {
    assert.equal(chunk, 'first');
    break;
  }
  while (server.aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(server.aborted, ['/api/chat']);
});

test('characters that are split between chunks are joined', async () => {
  const text = 'naïve 日本語 🔐';
  const bytes = Buffer.from(text);
  const chunks = [...bytes].map((byte) => Buffer.from([byte]).toString('base64'));
  const received = await collect(chat({ chunks, encoding: 'base64' }));
  assert.equal(received.join(''), text);
  assert.ok(received.every((piece) => piece !== '' && !piece.includes('\ufffd')));
});

test('a character that is cut off at the end shows', async () => {
  const chunks = [Buffer.from([0x61, 0xe6, 0x97]).toString('base64')];
  assert.equal((await collect(chat({ chunks, encoding: 'base64' }))).join(''), 'a\ufffd');
});

test('an aborted stream rejects with the reason', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const stream = chat({ chunks: ['first'], endless: true }, { signal: controller.signal });
  assert.equal((await stream.next()).value, 'first');
  const next = stream.next();
  controller.abort(reason);
  await assert.rejects(next, reason);
});

for (const [name, how] of [
  ['return()', (stream) => stream.return()],
  ['disposal', (stream) => stream[Symbol.asyncDispose]()],
]) {
  test(`${name} ends a stream at once, also while a chunk is waited for`, { timeout: 10_000 }, async () => {
    server.aborted.length = 0;
    const stream = chat({ chunks: ['first'], endless: true });
    assert.equal((await stream.next()).value, 'first');
    const next = stream.next();
    await how(stream);
    assert.deepEqual(await next, { value: undefined, done: true });
    assert.deepEqual(await stream.next(), { value: undefined, done: true });
    while (server.aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });
}

test('throw() ends a stream and rejects, with what is thrown', { timeout: 10_000 }, async () => {
  server.aborted.length = 0;
  const stream = chat({ chunks: ['first'], endless: true });
  assert.equal((await stream.next()).value, 'first');
  const next = stream.next();
  await Promise.all([assert.rejects(stream.throw(new Error('mine')), /mine/), assert.rejects(next, /mine/)]);
  while (server.aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
});

test('a stream that was left before its first chunk is not sent', async () => {
  const before = server.requests.length;
  const stream = chat({ chunks: ['a'] });
  await stream.return();
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
  assert.equal(server.requests.length, before);
});

test('aborting ends a stream of an implementation that knows no signals', { timeout: 10_000 }, async () => {
  const deaf = new NenClient(server.url, { fetch: (url, init) => fetch(url, { ...init, signal: null }) });
  await deaf.handshake();
  const controller = new AbortController();
  const body = JSON.stringify({ chunks: ['first'], endless: true });
  const stream = deaf.nenStream('/api/chat', { method: 'POST', body, signal: controller.signal });
  assert.equal((await stream.next()).value, 'first');
  const next = stream.next();
  controller.abort(new Error('enough'));
  await assert.rejects(next, /enough/);
});

test('a refused stream has the opened answer as its cause', async () => {
  const error = await client
    .nenStream('/api/nowhere')
    .next()
    .catch((error) => error);
  assert.equal(error.code, 'ISO-7002');
  assert.ok(error.cause instanceof NenHttpError);
  assert.deepEqual([error.cause.status, error.cause.data], [404, { reason: 'no such thing' }]);
});

test('a whole answer is no stream, and a stream no whole answer', async () => {
  const { code, detail } = await client
    .nenStream('/api/secure-data')
    .next()
    .catch((error) => error);
  assert.deepEqual([code, /use nenFetch/.test(detail)], ['ISO-7001', true]);
  const init = { method: 'POST', body: JSON.stringify({ chunks: ['first'], endless: true }) };
  const error = await client.nenFetch('/api/chat', init).catch((error) => error);
  assert.deepEqual([error.code, /use nenStream/.test(error.detail)], ['ISO-6001', true]);
  assert.equal(await client.nenFetch('/api/secure-data', { method: 'HEAD' }), undefined);
});

test('nothing is sent before the first chunk is asked for', async () => {
  const before = server.requests.length;
  chat({ chunks: ['a'] });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.requests.length, before);
});

test('createNenStream shakes hands on first use, once', async (t) => {
  const other = await startServer({}, t);
  const nenStream = createNenStream(other.url);
  const streams = await Promise.all([1, 2, 3].map(() => collect(nenStream('/api/chat'))));
  assert.deepEqual(
    streams.map((chunks) => chunks.join('')),
    Array(3).fill('secure streaming works '),
  );
  assert.equal(other.count('POST /api/nen/handshake'), 1);
});

test('a stream goes on under its keys while the session is rotated', async () => {
  const stream = chat({ chunks: ['a', 'b', 'c'] });
  assert.equal((await stream.next()).value, 'a');
  await client.rotate();
  assert.deepEqual(await collect(stream), ['b', 'c']);
});

test('a stream that a failing consumer leaves is cancelled', async () => {
  server.aborted.length = 0;
  const consume = async () => {
    for await (const _ of chat({ chunks: ['first'], endless: true })) throw new Error('consumer');
  };
  await assert.rejects(consume(), /consumer/);
  while (server.aborted.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
});
