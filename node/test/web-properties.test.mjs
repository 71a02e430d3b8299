// Whatever arrives, and whatever a handler returns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nenWithLog, session } from './web.mjs';

const SECRET = 'plaintext-of-the-handler';
const SIGNED = ['x-nen-session', 'x-nen-timestamp', 'x-nen-nonce', 'x-nen-signature'];

const nen = nenWithLog();
const { seal } = await session(nen);
const routes = {
  withNen: nen.withNen((_, body) => ({ [SECRET]: body })),
  withNenStream: nen.withNenStream(() => [SECRET, SECRET]),
  protect: nen.protect(() => new Response(SECRET)),
  handleSession: nen.handleSession,
  handleRotate: nen.handleRotate,
};

/** Nothing is sent but sealed bytes, errors of the protocol, and what the session endpoints answer. */
async function assertSealed(answer) {
  assert.ok(answer instanceof Response);
  const text = await answer.text();
  assert.doesNotMatch(text, new RegExp(SECRET));
  if (answer.headers.get('content-type') === 'text/event-stream') {
    assert.match(text, /^(data: [A-Za-z0-9+/]+={0,2}\n\n)+$/);
  } else if (text !== '' && text !== 'Not Found') {
    const members = Object.keys(JSON.parse(text)).join();
    assert.match(members, /^(ct,n|error|success|valid|sid,ct,hmac)$/);
  }
}

const headerText = fc
  .string({ unit: 'binary-ascii' })
  .map((text) => text.replace(/[^\x20-\x7e]/g, '').trim());
const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'patch', 'DELETE', 'OPTIONS');
const path = fc.oneof(
  fc.constantFrom('/route', '/api/nen/handshake', '/api/nen/rotate', '/api/nen/terminate', '/api/nen/status'),
  fc.webPath().map((text) => `/${text}`),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.json().map((text) => Buffer.from(text)),
  fc.base64String().map((ct) => Buffer.from(JSON.stringify({ ct }))),
);

test('a stranger gets nothing but errors, whatever he sends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(routes)),
      method,
      path,
      body,
      fc.dictionary(fc.constantFrom(...SIGNED, 'content-length', 'content-type'), headerText),
      async (route, method, path, body, headers) => {
        const init = /GET|HEAD/.test(method) ? { method, headers } : { method, headers, body };
        await assertSealed(await routes[route](new Request(`http://x${path}`, init)));
      },
    ),
    { numRuns: 500 },
  );
});

test('a sealed request that is changed anywhere is refused, or answered sealed', async () => {
  const change = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 94 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('withNen', 'withNenStream', 'protect'),
      fc.option(fc.constantFrom(...SIGNED)),
      change,
      async (route, name, { at, by }) => {
        const { request } = seal('POST', '/route', { some: 'body' });
        const changed = (text) => {
          const code = ((text.charCodeAt(at % text.length) - 0x20 + by) % 95) + 0x20;
          return (
            text.slice(0, at % text.length) + String.fromCharCode(code) + text.slice((at % text.length) + 1)
          );
        };
        const headers = new Headers(request.headers);
        let body = await request.text();
        if (name === null) body = changed(body);
        else headers.set(name, changed(headers.get(name)));
        const answer = await routes[route](new Request(request.url, { method: 'POST', headers, body }));
        if (name !== null) assert.ok(answer.status >= 400);
        await assertSealed(answer);
      },
    ),
    { numRuns: 300 },
  );
});

test('JSON arrives as it was sent, both ways', async () => {
  const echo = nen.withNen((_, body) => body);
  const forward = nen.protect(async (request) => Response.json(await request.json()));
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (value) => {
      for (const route of [echo, forward]) {
        const sealed = seal('PUT', '/route', value);
        const answer = await route(sealed.request);
        assert.equal(answer.status, 200);
        assert.equal(JSON.stringify(await sealed.open(answer)), JSON.stringify(value));
      }
    }),
    { numRuns: 200 },
  );
});

test('chunks arrive as they were sent, whatever their sizes', async () => {
  const chunks = fc.array(
    fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'grapheme' }), fc.constant('__FIN__')),
  );
  await fc.assert(
    fc.asyncProperty(chunks, async (chunks) => {
      const sealed = seal('POST', '/route');
      const answer = await nen.withNenStream(() => chunks)(sealed.request);
      const opened = Buffer.concat(await sealed.openStream(answer));
      assert.deepEqual(opened, Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));
    }),
    { numRuns: 200 },
  );
});

test('what a handler throws or returns is answered in one way or the other', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
      fc.boolean(),
      async (value, throws) => {
        const handler = () => {
          if (throws) throw value;
          return value;
        };
        for (const wrap of [nen.withNen, nen.withNenStream, nen.protect]) {
          const answer = await wrap(handler)(seal('POST', '/route', 1).request);
          assert.ok([200, 500].includes(answer.status));
          await assertSealed(answer).catch((error) => assert.equal(error.code, 'ISO-9000'));
        }
      },
    ),
    { numRuns: 300 },
  );
});
