// Does what the adapters hold of a request go with it? Runs in a process of its own, whose collector can be called.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createNen, InMemorySessionStore } from '@withnen/native/server';
import { adapters, RawPeer, sendJson, test } from './adapters.mjs';

const MAX_GROWTH_MIB = 1;
/** Requests of a round, 50 in each way: one way whose bodies stay would be twice over that. */
const REQUESTS = 300;
const BODY = 'x'.repeat(40_000);

if (process.argv[2] === 'measure') {
  console.log(await measure(process.argv[3]));
  process.exit();
} else {
  for (const name of ['http', 'express 5', 'fastify 5']) {
    test(`memory does not grow with requests: ${name}`, () => {
      const args = ['--expose-gc', fileURLToPath(import.meta.url), 'measure', name];
      const growth = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      assert.ok(growth < MAX_GROWTH_MIB, `grew by ${growth} MiB`);
    });
  }
}

async function measure(name) {
  const nen = createNen({ store: new InMemorySessionStore(), maxAnswer: 60_000, log: () => {} });
  const server = await adapters[name](answer, nen);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  const peer = await RawPeer.connect({ port, url: `http://127.0.0.1:${port}` });
  await use(peer, REQUESTS);
  const before = await heapMiB();
  await use(peer, REQUESTS);
  return (await heapMiB()) - before;
}

function answer(request, response, body) {
  if (request.url === '/json') sendJson(response, 200, body);
  else if (request.url === '/long') sendJson(response, 200, BODY + BODY);
  else if (request.url === '/stream') response.write(BODY, () => response.end());
  else response.write(BODY); // goes on until the client goes
}

/** All ways in which a request ends: answered, as a stream, refused, cut off by the client in front and behind. */
async function use(peer, requests) {
  const close = { headers: ['Connection: close'] };
  for (let i = 0; i < requests; i += 6) {
    const ask = (target) => peer.request('POST', target, BODY, close);
    const unsigned = `POST /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`;
    const texts = await Promise.all([
      peer.send(ask('/json').bytes),
      peer.send(ask('/stream').bytes),
      peer.send(ask('/long').bytes),
      peer.send(unsigned),
      peer.send(ask('/endless').bytes, (text) => text.includes('\r\n\r\n')),
      leave(peer, ask('/json').head),
    ]);
    const statuses = texts.slice(0, 4).map((text) => Number(text.split(' ')[1]));
    assert.deepEqual(statuses, [200, 200, 500, 401]);
  }
}

/** A client that goes before it has sent its body. */
async function leave({ port }, head) {
  const socket = net.connect(port, '127.0.0.1');
  socket.end(Buffer.concat([head, Buffer.from('{')]));
  await once(socket.resume(), 'close');
}

async function heapMiB() {
  for (let i = 0; i < 5; i++) {
    await delay(50);
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}
