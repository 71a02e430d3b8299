import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createNenStream, NenClient } from '@withnen/native';
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
