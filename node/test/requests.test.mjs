import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { createNenFetch, NenClient, NenError, NenHttpError } from '@withnen/native';
import fc from 'fast-check';
import { Address } from '../dist/client/address.js';
import { startServer, terminateBehindTheBack } from './server.mjs';

let server;
let client;
before(async () => {
  server = await startServer();
  client = new NenClient(server.url);
  await client.handshake();
});
after(() => server.close());

const json = JSON.stringify({ secret: 'Only the endpoint that needs this can read it' });

test('every method is sealed, signed and answered', async () => {
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'patch']) {
    const body = method === 'GET' ? undefined : json;
    const data = await client.nenFetch('/api/secure-data', { method, body });
    assert.deepEqual(
      data,
      { message: 'Securely processed', received: body ? JSON.parse(body) : null },
      method,
    );
  }
  assert.equal(await client.nenFetch('/api/secure-data', { method: 'HEAD' }), undefined);
  assert.deepEqual((await client.nenFetch('/api/secure-data', { method: 'DELETE' })).received, null);
});

test('no plaintext travels', async () => {
  await client.nenFetch('/api/secure-data', { method: 'POST', body: json });
  const { body, headers } = server.requests.at(-1);
  assert.deepEqual(Object.keys(JSON.parse(body)), ['ct']);
  assert.ok(!body.includes('endpoint'));
  assert.equal(headers['content-type'], 'application/json');
  for (const name of ['session', 'timestamp', 'nonce', 'signature'])
    assert.ok(headers[`x-nen-${name}`], name);
});

test('the path is signed as it travels, without the query', async () => {
  assert.deepEqual(await client.nenFetch('/api/notes/caf%C3%A9%20au%20lait'), { id: 'café au lait' });
  assert.deepEqual(await client.nenFetch('/api/notes/café au lait?page=2#top'), { id: 'café au lait' });
  assert.deepEqual(await client.nenFetch(new URL('/api/notes/a%2Fb', server.url)), { id: 'a/b' });
  assert.deepEqual(await client.nenFetch('/api/./y/../notes/%2e/x'), { id: 'x' });
});

test('a request for another origin is refused before anything is sent', async () => {
  const before = server.requests.length;
  for (const path of [
    'https://example.invalid/api/secure-data',
    'http://user:hunter2@example.invalid/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    '//example.invalid/x',
    '/\\example.invalid/x',
    '/\t/example.invalid/x',
    'http:example.invalid',
    'api/secure-data',
    '',
    new Request(`${server.url}/api/secure-data`),
  ]) {
    await assert.rejects(
      client.nenFetch(path),
      (error) => error instanceof TypeError && !inspect(error).includes('hunter2'),
      String(path),
    );
  }
  await assert.rejects(client.nenFetch(server.url.replace('//', '//user:hunter2@')), /no credentials/);
  assert.equal(server.requests.length, before);
});

test('a base URL with a path is part of what is signed', async (t) => {
  const options = { options: { prefix: '/app/api/nen' } };
  const mounted = await startServer(options, t);
  for (const base of [`${mounted.url}/app`, `${mounted.url}/app/`, new URL('/app', mounted.url)]) {
    const client = new NenClient(base);
    await client.handshake();
    assert.equal((await client.nenFetch('/api/secure-data')).message, 'Securely processed');
  }
  assert.equal(mounted.count('GET /app/api/secure-data'), 3);
  const { length } = mounted.requests;
  const inside = new NenClient(`${mounted.url}/app`);
  await inside.handshake();
  for (const path of [
    '/../api/x',
    '/%2e%2e/api/x',
    '/..\\api',
    `${mounted.url}/api/x`,
    `${mounted.url}/apple`,
  ]) {
    await assert.rejects(inside.nenFetch(path), /not under the base URL/, path);
  }
  assert.equal(mounted.requests.length, length + 1);
});

test('request() tells status and headers', async () => {
  const answer = await client.request('/api/created', { method: 'POST', body: '[1]' });
  assert.equal(answer.status, 201);
  assert.equal(answer.ok, true);
  assert.equal(answer.sealed, true);
  assert.equal(answer.headers.get('location'), '/api/created/1');
  assert.equal(answer.url, `${server.url}/api/created`);
  assert.deepEqual(answer.data, { created: [1] });
});

test('a sealed 404 is returned by request() and thrown by nenFetch(), opened in both', async () => {
  const answer = await client.request('/api/nowhere');
  assert.deepEqual([answer.status, answer.ok, answer.sealed], [404, false, true]);
  assert.deepEqual(answer.data, { reason: 'no such thing' });
  const error = await client.nenFetch('/api/nowhere').catch((error) => error);
  assert.ok(error instanceof NenHttpError && !(error instanceof NenError));
  assert.deepEqual([error.status, error.sealed, error.name], [404, true, 'NenHttpError']);
  assert.deepEqual(error.data, { reason: 'no such thing' });
  assert.deepEqual(error.response.data, error.data);
});

test('a failing handler is ISO-9000, without its cause', async () => {
  const error = await client.nenFetch('/api/boom', { method: 'POST', body: '1' }).catch((error) => error);
  assert.ok(error instanceof NenError);
  assert.equal(error.code, 'ISO-9000');
  assert.ok(!JSON.stringify(error).includes('kaboom'));
});

test('bodies of every kind that is JSON are taken', async () => {
  const text = '{"a":"ü"}';
  const bodies = {
    string: text,
    Uint8Array: new TextEncoder().encode(text),
    'part of a buffer': Buffer.from(`__${text}__`).subarray(2, -2),
    ArrayBuffer: new TextEncoder().encode(text).buffer,
    DataView: new DataView(new TextEncoder().encode(text).buffer),
    Blob: new Blob([text]),
    ReadableStream: new Blob([text]).stream(),
    'async iterable': Readable.from([Buffer.from(text)]),
  };
  for (const [kind, body] of Object.entries(bodies)) {
    const { received } = await client.nenFetch('/api/secure-data', { method: 'POST', body, duplex: 'half' });
    assert.deepEqual(received, { a: 'ü' }, kind);
  }
  for (const body of ['null', '0', '""', '"text"', ' [ ] ']) {
    const { received } = await client.nenFetch('/api/secure-data', { method: 'POST', body });
    assert.deepEqual(received, JSON.parse(body));
  }
});

test('a body that is no JSON text is refused before anything is sent', async () => {
  const before = server.requests.length;
  const form = new FormData();
  form.set('a', '1');
  const bodies = [
    '',
    'plain',
    '{a:1}',
    '\ufeff1',
    { a: 1 },
    new URLSearchParams('a=1'),
    form,
    new Uint8Array([0x22, 0xff, 0x22]),
  ];
  for (const body of bodies) {
    await assert.rejects(client.nenFetch('/api/secure-data', { method: 'POST', body }), { code: 'ISO-4003' });
  }
  assert.equal(server.requests.length, before);
});

test('the path that fetch sends is the one that is signed, or nothing is sent', async () => {
  const segment = fc.oneof(
    fc.constantFrom(
      '',
      '.',
      '..',
      '%2e%2e',
      '%2E.',
      '\\',
      '//',
      ':',
      '@',
      '?',
      '#',
      '%',
      '\t',
      'é',
      '\ud800',
      'app',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
  );
  const paths = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(segment, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`),
  );
  const targets = [];
  const plain = createServer((request, response) => {
    targets.push(request.url);
    response.end();
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const origin = `http://127.0.0.1:${plain.address().port}`;
  try {
    for (const base of [origin, `${origin}/app`]) {
      const address = new Address(base);
      const property = fc.asyncProperty(paths, async (path) => {
        let url;
        try {
          url = address.resolve(path);
        } catch (error) {
          assert.ok(error instanceof TypeError);
          return;
        }
        assert.ok(url.href.startsWith(`${base}/`));
        await (await fetch(url.href)).arrayBuffer();
        assert.equal(targets.at(-1).split('?')[0], url.pathname);
      });
      await fc.assert(property, { numRuns: 300, examples: [['/a?b=//c'], ['/a#b'], ['/a b']] });
    }
    assert.ok(targets.length > 100);
  } finally {
    plain.close();
    plain.closeAllConnections();
  }
});

test('headers of the caller are kept, on each attempt; those of the protocol and of the plain body are ours', async () => {
  const mine = {
    'X-Nen-Nonce': 'mine',
    'Content-Length': '3',
    'Content-Encoding': 'gzip',
    'If-None-Match': '"a"',
    Range: 'bytes=0-1',
    'Accept-Encoding': 'br',
    'X-Trace': '1',
  };
  const once = Object.entries(mine).values();
  for (const headers of [new Headers(mine), mine, Object.entries(mine), once]) {
    await terminateBehindTheBack(client, server.url);
    const { length } = server.requests;
    await client.nenFetch('/api/secure-data', { method: 'POST', body: json, headers });
    const attempts = server.requests.slice(length).filter(({ line }) => line === 'POST /api/secure-data');
    assert.equal(attempts.length, 2);
    for (const { headers: sent } of attempts) {
      assert.equal(sent['x-trace'], '1');
      assert.notEqual(sent['x-nen-nonce'], 'mine');
      assert.equal(sent['accept-encoding'], 'identity');
      for (const name of ['content-encoding', 'if-none-match', 'range']) assert.equal(sent[name], undefined);
    }
  }
});

test('a body that cannot be read is refused before anything is sent', async () => {
  const before = server.requests.length;
  const locked = new Blob([json]).stream();
  locked.getReader();
  const used = new Response(json);
  await used.text();
  const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError('broken')) });
  const texts = new ReadableStream({ start: (controller) => controller.enqueue(json) });
  for (const body of [locked, used.body, broken, texts]) {
    await assert.rejects(
      client.nenFetch('/api/secure-data', { method: 'POST', body, duplex: 'half' }),
      TypeError,
    );
  }
  assert.equal(server.requests.length, before);
});

test('a Request in place of its members is refused, and not sent as a GET without a body', async () => {
  const before = server.requests.length;
  const request = new Request(`${server.url}/api/secure-data`, { method: 'POST', body: json });
  await assert.rejects(client.nenFetch('/api/secure-data', request), TypeError);
  await assert.rejects(client.request('/api/secure-data', request), TypeError);
  await assert.rejects(client.nenStream('/api/chat', request).next(), TypeError);
  assert.equal(server.requests.length, before);
});

test('aborting ends the wait for a body that does not come', async () => {
  const controller = new AbortController();
  let cancelled = false;
  const body = new ReadableStream({
    pull: () => controller.abort(new Error('enough')),
    cancel: () => {
      cancelled = true;
    },
  });
  const init = { method: 'POST', body, duplex: 'half', signal: controller.signal };
  await assert.rejects(client.nenFetch('/api/secure-data', init), /enough/);
  assert.ok(cancelled);
});

test('large payloads are sealed and opened off the event loop', async () => {
  const value = 'x'.repeat(1_000_000);
  const answer = client.nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify(value) });
  assert.equal((await answer).received, value);
});

test('failures off the event loop are NenErrors too', async () => {
  const body = JSON.stringify('x'.repeat(1_000_000));
  const call = new NenClient(server.url).nenFetch('/api/secure-data', { method: 'POST', body });
  await assert.rejects(call, (error) => error instanceof NenError && error.code === 'ISO-2001');
  const tampered = client.nenFetch('/api/faults/tampered', { method: 'POST', body });
  await assert.rejects(tampered, (error) => error instanceof NenError && error.code === 'ISO-4001');
  const notJson = client.nenFetch('/api/secure-data', { method: 'POST', body: body.slice(1) });
  await assert.rejects(notJson, (error) => error instanceof NenError && error.code === 'ISO-4003');
});

test('an answer over maxAnswer is refused', async () => {
  const small = new NenClient(server.url, { maxAnswer: 4096 });
  await small.handshake();
  await small.nenFetch('/api/secure-data', { method: 'POST', body: '1' });
  const body = JSON.stringify('x'.repeat(4096));
  await assert.rejects(small.nenFetch('/api/secure-data', { method: 'POST', body }), { code: 'ISO-6001' });
});

test('an aborted request rejects with the reason', async () => {
  const reason = new Error('changed my mind');
  await assert.rejects(client.nenFetch('/api/secure-data', { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const slow = client.nenFetch('/api/slow', { method: 'POST', body: '1', signal: controller.signal });
  setTimeout(() => controller.abort(reason), 5);
  await assert.rejects(slow, reason);
  await assert.rejects(client.nenFetch('/api/slow', { signal: AbortSignal.timeout(5) }), {
    name: 'TimeoutError',
  });
});

test('any fetch implementation is used, with the options of the caller', async () => {
  const seen = [];
  const options = {
    fetch: (url, init) => {
      seen.push([url, init.redirect, init.cache]);
      return fetch(url, init);
    },
  };
  const nenFetch = createNenFetch(server.url, options);
  await nenFetch('/api/secure-data', { cache: 'no-store' });
  assert.deepEqual(seen, [
    [`${server.url}/api/nen/handshake`, 'manual', undefined],
    [`${server.url}/api/secure-data`, 'manual', 'no-store'],
  ]);
});

test('without a server, a request fails as fetch does', async () => {
  const other = await startServer();
  const lonely = new NenClient(other.url);
  await lonely.handshake();
  await other.close();
  await assert.rejects(lonely.nenFetch('/api/secure-data'), TypeError);
});

test('options are checked when the client is made', () => {
  const url = server.url;
  for (const [base, options] of [
    ['', {}],
    ['nonsense', {}],
    ['ftp://example.invalid', {}],
    [`${url}?a=1`, {}],
    [`${url}#a`, {}],
    ['http://user:secret@127.0.0.1', {}],
    ['http://user:secret@127.0.0.1:port', {}],
    [url, { identityMode: 'none' }],
    [url, { identityMode: 'tls', identity: new Uint8Array(54) }],
    [url, { identity: 'key' }],
    [url, { fetch: 'fetch' }],
    [url, { prefix: 'api/nen' }],
    [url, { prefix: '/' }],
    [url, { maxAnswer: 0 }],
    [url, { maxAnswer: Number.NaN }],
    [url, { maxChunk: 1.5 }],
    [url, { correctClock: 'no' }],
    [url, { prefix: '/api//nen' }],
    [url, { prefix: '/api/..' }],
    [url, { prefix: '/a/%2e%2e/nen' }],
    [url, { prefix: '/an api' }],
    [url, { maxBody: 1 }],
    [url, { log: 'console' }],
  ]) {
    assert.throws(
      () => new NenClient(base, options),
      (error) => error instanceof TypeError && !inspect(error).includes('secret@'),
      `${base} ${JSON.stringify(options)}`,
    );
  }
  assert.throws(() => new NenClient(url, { identity: new Uint8Array(54) }), { code: 'ISO-3004' });
});

test("'' is the origin of the page, where there is one", async () => {
  globalThis.location = new URL(`${server.url}/some/page`);
  try {
    const nenFetch = createNenFetch('');
    assert.equal((await nenFetch('/api/secure-data')).message, 'Securely processed');
  } finally {
    delete globalThis.location;
  }
});
