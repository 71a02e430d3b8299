// The order in which a request is checked, and what a refusal is: the same for every way of serving.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAdaptorServer } from '@hono/node-server';
import { describeNenCode } from '@withnen/native';
import { adapters, answersIn, sendJson, start } from './adapters.mjs';

/** Servers by what they do when a request is let in. */
const faces = {
  protect: (nen, served) =>
    createAdaptorServer({
      fetch: nen.protect(() => {
        served();
        return Response.json(1);
      }),
    }),
  withNen: (nen, served) => {
    const route = nen.withNen(served);
    const isSession = ({ url }) => new URL(url).pathname.startsWith('/api/nen/');
    return createAdaptorServer({
      fetch: (request) => (isSession(request) ? nen.handleSession(request) : route(request)),
    });
  },
};
for (const [name, serve] of Object.entries(adapters)) {
  faces[name] = (nen, served) =>
    serve((_, response) => {
      served();
      sendJson(response, 200, 1);
    }, nen);
}

const set = (name, value) => (request) => request.headers.set(name, value);
const drop = (name) => (request) => request.headers.delete(name);
const repeat = (name) => (request) => request.again.push(name);
const change = (how) => (request) => Object.assign(request, how);
const signAt = (offsetMs) => (request) => request.sign(Date.now() + offsetMs);

/** What may be wrong with a request, in the order of the specification: the code, and the ways. */
const FAULTS = [
  ['ISO-2003', drop('X-Nen-Session')],
  [
    'ISO-2002',
    set('X-Nen-Session', '01234567-89ab-4cde-8f01-23456789abcd'),
    set('X-Nen-Session', 'x'),
    repeat('X-Nen-Session'),
  ],
  ['ISO-3005', drop('X-Nen-Nonce'), set('X-Nen-Nonce', 'AAAA'), repeat('X-Nen-Nonce')],
  ['ISO-3001', drop('X-Nen-Signature')],
  [
    'ISO-3002',
    set('X-Nen-Signature', Buffer.alloc(32).toString('base64')),
    set('X-Nen-Signature', 'x'),
    repeat('X-Nen-Signature'),
    change({ method: 'PUT' }),
    change({ target: '/dat%61' }),
  ],
  ['ISO-3003', signAt(-31_000), signAt(31_000), drop('X-Nen-Timestamp')],
  ['ISO-5001', (request) => request.send()],
  ['ISO-6001', ...['{}', '[]', 'x', '{"ct":1}', '{"ct":"","ct":""}'].map((body) => change({ body }))],
  ['ISO-6002', change({ body: '{"ct":"*"}' })],
  ['ISO-4001', change({ body: '{"ct":"AAAA"}' })],
];
const REPLAY = FAULTS.findIndex(([code]) => code === 'ISO-5001');

/** A good request, to be spoiled. */
function requestOf(raw) {
  const request = {
    method: 'POST',
    target: '/data',
    again: [],
    sign(now) {
      const sealed = raw.native.call(this.method, this.target).seal(Buffer.from('1'), now);
      this.headers = new Map(sealed.headers);
      return sealed;
    },
    async send() {
      const { method, target, headers, again, body } = this;
      const lines = [...headers, ...again.map((name) => [name, headers.get(name) ?? 'x'])];
      const head = [
        `${method} ${target} HTTP/1.1`,
        'Host: x',
        'Connection: close',
        `Content-Length: ${body.length}`,
        ...lines.map((line) => line.join(': ')),
      ];
      return answersIn(await raw.send(`${head.join('\r\n')}\r\n\r\n${body}`)).at(-1);
    },
  };
  request.body = String(request.sign(Date.now()).body);
  return request;
}

function assertRefused(answer, code, detail) {
  const { status, message } = describeNenCode(code);
  assert.equal(answer.body, JSON.stringify({ error: { code, message } }), detail);
  assert.equal(answer.status, status, detail);
  assert.match(answer.head, /\r\ncontent-type: application\/json(\r\n|$)/i);
}

for (const [name, serve] of Object.entries(faces)) {
  describe(name, () => {
    const started = async (t) => {
      let served = 0;
      const { peer } = await start(t, (nen) => serve(nen, () => ++served));
      const raw = await peer();
      return { request: () => requestOf(raw), served: () => served };
    };

    test('refuses a request by the first of its faults', async (t) => {
      const { request, served } = await started(t);
      for (const [index, [code, ...ways]] of FAULTS.entries()) {
        for (const [number, way] of ways.entries()) {
          const bad = request();
          // From the last on, since an earlier one may undo a later one.
          for (const [, worse] of FAULTS.slice(index + 1).reverse()) await worse(bad);
          await way(bad);
          assertRefused(await bad.send(), code, `${code}, way ${number}`);
        }
      }
      assert.equal(served(), 0);
    });

    test('keeps nothing of a request that is not authentic', async (t) => {
      const { request, served } = await started(t);
      for (const [code, ...ways] of FAULTS.slice(0, REPLAY).filter(([code]) => code !== 'ISO-3003')) {
        for (const way of ways) {
          const good = request();
          const bad = { ...good, headers: new Map(good.headers), again: [] };
          way(bad);
          assertRefused(await bad.send(), code);
          const before = served();
          assert.equal((await good.send()).status, 200);
          assert.equal(served(), before + 1);
          assertRefused(await good.send(), 'ISO-5001');
        }
      }
    });
  });
}
