// What holds for every adapter, over real sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { InMemorySessionStore, peerOf } from '@withnen/native/server';
import { adapters, answersIn, codeIn, MARKER, sendJson, start, test } from './adapters.mjs';

const post = (value) => ({ method: 'POST', body: JSON.stringify(value) });
const refused = (code) => (error) => error.code === code;

for (const [name, serve] of Object.entries(adapters)) {
  const started = (t, handler, options) => start(t, (nen) => serve(handler, nen), options);

  describe(name, () => {
    test('opens the request and seals the answer', async (t) => {
      const { client } = await started(t, (req, res, body) => {
        sendJson(res, 200, { body: body ?? null, peer: peerOf(req).sessionId, marker: MARKER });
      });
      const answer = await client.nenFetch('/api/x?q=1', post({ marker: MARKER }));
      assert.deepEqual(answer, { body: { marker: MARKER }, peer: client.sessionId, marker: MARKER });
      assert.equal((await client.nenFetch('/api/x')).body, null);
      for (const body of [null, false, 0, '', []]) {
        assert.deepEqual((await client.nenFetch('/api/x', post(body))).body, body);
      }
    });

    test('shows the application a plain request', async (t) => {
      const { client } = await started(t, ({ method, url, headers, rawHeaders, headersDistinct }, res) => {
        sendJson(res, 200, { method, url, headers, rawHeaders, headersDistinct });
      });
      const seen = await client.nenFetch('/api/x?q=1', {
        ...post({ a: 1 }),
        headers: { 'If-None-Match': '"x"', 'X-Mine': 'kept' },
      });
      assert.equal(seen.method, 'POST');
      assert.equal(seen.url, '/api/x?q=1');
      const rawNames = seen.rawHeaders.filter((_, i) => i % 2 === 0).map((raw) => raw.toLowerCase());
      for (const names of [Object.keys(seen.headers), Object.keys(seen.headersDistinct), rawNames]) {
        assert.ok(names.includes('x-mine'));
        assert.deepEqual(
          names.filter((header) => /^x-nen-|^if-none-match$|^accept-encoding$/.test(header)),
          [],
        );
      }
      assert.equal(seen.headers['content-type'], 'application/json');
      assert.equal(seen.headers['content-length'], '7');
    });

    test('lives on whatever a header is called', async (t) => {
      // Many versions of Node throw here for such names.
      t.mock.method(IncomingMessage.prototype, '_addHeaderLineDistinct', () => {
        throw new TypeError('dest[field].push is not a function');
      });
      const { peer } = await started(t, ({ headersDistinct }, res) => sendJson(res, 200, headersDistinct));
      const raw = await peer();
      const names = ['__proto__', 'constructor', 'tostring'];
      const headers = ['Connection: close', ...names.flatMap((header) => [`${header}: 1`, `${header}: 2`])];
      for (const [method, value] of [['GET'], ['POST', 1]]) {
        const { bytes, open } = raw.request(method, '/x', value, { headers });
        const seen = open(answersIn(await raw.send(bytes))[0]);
        for (const header of names) {
          assert.deepEqual(Object.getOwnPropertyDescriptor(seen, header)?.value, ['1', '2']);
        }
      }
    });

    test('keeps status, headers and cookies, but for those of the plain body', async (t) => {
      const shapes = [
        (res) => {
          res.setHeader('Set-Cookie', ['a=1', 'b=2']);
          res.setHeader('X-App', 'kept').setHeader('ETag', '"x"');
          res.writeHead(201, MARKER, { 'Content-Type': 'application/json', 'Content-Length': 4 });
        },
        (res) =>
          res.writeHead(201, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-App', 'kept', 'ETag', '"x"']),
        (res) => {
          res.statusCode = 201;
          res.statusMessage = MARKER;
          res.setHeader('Set-Cookie', 'a=1');
          res.appendHeader('Set-Cookie', 'b=2');
          res.setHeader('X-App', 'kept').setHeader('Cache-Control', 'public').setHeader('ETag', '"x"');
        },
      ];
      const { client } = await started(t, (_, res, shape) => {
        shapes[shape](res);
        if (shape !== 0 && !res.headersSent) res.setHeader('Content-Type', 'application/json');
        res.end(shape === 1 ? '' : 'null');
      });
      for (const shape of shapes.keys()) {
        const { status, headers, data } = await client.request('/api/x', post(shape));
        assert.equal(status, 201);
        assert.deepEqual(headers.getSetCookie(), ['a=1', 'b=2']);
        assert.equal(headers.get('x-app'), 'kept');
        assert.equal(headers.get('etag'), null);
        assert.equal(headers.get('cache-control'), 'no-store');
        assert.equal(data, null);
      }
    });

    test('seals by status: nothing, redirects, texts; and not what cannot be', async (t) => {
      const { client, events, sent } = await started(t, (_, res, status) => {
        res.writeHead(status, { 'Content-Type': 'text/html', Location: '/x', 'X-App': 'x-app-header' });
        res.end([204, 205, 304].includes(status) ? undefined : MARKER);
      });
      for (const status of [204, 205]) {
        const answer = await client.request('/api/x', post(status));
        assert.deepEqual([answer.status, answer.data], [200, null]);
      }
      for (const status of [302, 404]) {
        const answer = await client.request('/api/x', post(status));
        assert.deepEqual([answer.status, answer.data], [status, MARKER]);
        assert.equal(answer.headers.get('location'), '/x');
      }
      const before = sent().length;
      for (const status of [304, 500, 503]) {
        await assert.rejects(client.nenFetch('/api/x', post(status)), refused('ISO-9000'));
      }
      assert.doesNotMatch(sent().slice(before), /x-app-header|location/i);
      assert.equal(events.filter(({ code }) => code === 'ISO-9000').length, 3);
    });

    test('answers HEAD with the headers of GET', async (t) => {
      const { client } = await started(t, (req, res) => {
        const json = JSON.stringify({ marker: MARKER });
        res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': json.length });
        res.end(req.method === 'HEAD' && req.url === '/api/bare' ? undefined : json);
      });
      const get = await client.request('/api/x');
      for (const path of ['/api/x', '/api/bare']) {
        const head = await client.request(path, { method: 'HEAD' });
        assert.equal(head.status, 200);
        assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
      }
    });

    test('sends each chunk of a stream when it is written', async (t) => {
      let go = () => {};
      const { client } = await started(t, async (_, res) => {
        assert.equal(res.headersSent, false);
        res.writeHead(200, { 'Transfer-Encoding': 'chunked' });
        assert.equal(res.headersSent, true);
        assert.throws(() => res.setHeader('X-Late', '1'), { code: 'ERR_HTTP_HEADERS_SENT' });
        for (const word of ['one', 'two', 'three']) {
          res.write('');
          res.write(`${MARKER} ${word}`);
          await new Promise((resolve) => {
            go = resolve;
          });
        }
        res.end(Buffer.from('end').toString('base64'), 'base64');
        assert.equal(res.writableEnded, true);
      });
      const chunks = [];
      for await (const chunk of client.nenStream('/api/x')) {
        chunks.push(chunk);
        go(); // The server goes on when a chunk is here, and not before.
      }
      assert.deepEqual(chunks, [...['one', 'two', 'three'].map((word) => `${MARKER} ${word}`), 'end']);
    });

    test('calls back in order, and finishes once', async (t) => {
      const told = [];
      const { client } = await started(t, (req, res) => {
        const tell = (what) => () => told.push(`${req.url} ${what}`);
        res.on('finish', tell('finish')).on('close', tell('close'));
        if (req.url === '/json') res.setHeader('Content-Type', 'application/json');
        res.write('"a', tell('write 1'));
        res.write(Buffer.from('b'), tell('write 2'));
        res.end('c"', tell('end'));
        res.write('late', (error) => tell(error.code)());
        res.on('error', () => {});
      });
      assert.equal(await client.nenFetch('/json'), 'abc');
      assert.equal((await collect(client.nenStream('/text'))).join(''), '"abc"');
      await delay(20);
      for (const url of ['/json', '/text']) {
        const of = told
          .filter((line) => line.startsWith(`${url} `))
          .map((line) => line.slice(url.length + 1));
        assert.deepEqual(of.toSorted(), [
          'ERR_STREAM_WRITE_AFTER_END',
          'close',
          'end',
          'finish',
          'write 1',
          'write 2',
        ]);
        assert.ok(of.indexOf('write 1') < of.indexOf('write 2'));
        assert.ok(of.indexOf('write 2') < of.indexOf('end'));
        assert.equal(of.at(-1), 'close');
      }
    });

    test('splits what is over maxChunk', async (t) => {
      const { client } = await started(t, (_, res) => res.end('x'.repeat(250)), { maxChunk: 100 });
      const lengths = (await collect(client.nenStream('/api/x'))).map((chunk) => chunk.length);
      assert.deepEqual(lengths, [100, 100, 50]);
    });

    test('waits for a slow reader', async (t) => {
      const piece = Buffer.alloc(64 * 1024, 'x');
      let written = 0;
      const { client } = await started(t, (_, res) => {
        const source = Readable.from(
          (async function* () {
            for (; ; written += piece.length) {
              yield piece;
              await delay(0); // without a turn of the loop, no limit of time would be kept
            }
          })(),
        );
        assert.equal(res.write(''), true);
        pipeline(source, res).catch(() => {});
      });
      const stream = client.nenStream('/api/x')[Symbol.asyncIterator]();
      await stream.next();
      let held = -1;
      while (held !== written) {
        held = written;
        await delay(200);
        assert.ok(written < 64 * 1024 * 1024, 'the application writes what nobody reads');
      }
      for (let read = 0; read < held + piece.length; read += piece.length) await stream.next();
      assert.ok(written > held);
      await stream.return();
    });

    test('tells the application that its client has gone', async (t) => {
      const closed = deferred();
      const { client } = await started(t, (_, res) => {
        res.write('one');
        res.on('close', () => closed.resolve(res.writableFinished));
      });
      for await (const chunk of client.nenStream('/api/x')) {
        assert.equal(chunk, 'one');
        break;
      }
      assert.equal(await closed.promise, false);
    });

    test('stops a source without end whose answer is refused', async (t) => {
      const failure = deferred();
      let pieces = 0;
      const { client } = await started(
        t,
        (_, res) => {
          res.setHeader('Content-Type', 'application/json').setHeader('X-App', MARKER);
          const source = Readable.from(
            (function* () {
              for (; pieces < 100_000; pieces++) yield MARKER;
            })(),
          );
          pipeline(source, res).catch(failure.resolve);
        },
        { maxAnswer: 10_000 },
      );
      await assert.rejects(client.nenFetch('/api/x'), refused('ISO-9000'));
      assert.equal((await failure.promise).code, 'ERR_STREAM_PREMATURE_CLOSE');
      const stopped = pieces;
      await delay(20);
      assert.equal(pieces, stopped);
      assert.ok(stopped < 2000);
    });

    test('takes and gives large bodies, off the event loop', async (t) => {
      const { client } = await started(t, (_, res, body) => sendJson(res, 200, body));
      const large = MARKER.repeat(40_000);
      assert.equal(await client.nenFetch('/api/x', post(large)), large);
    });

    test('answers pipelined requests in turn', async (t) => {
      const { peer } = await started(t, async (_, res, body) => {
        await delay(30 - 10 * body);
        sendJson(res, 200, body);
      });
      const raw = await peer();
      const requests = [0, 1, 2].map((i) =>
        raw.request('POST', '/api/x', i, i === 2 ? { headers: ['Connection: close'] } : {}),
      );
      const answers = answersIn(await raw.send(Buffer.concat(requests.map(({ bytes }) => bytes))));
      assert.deepEqual(
        answers.map((answer, i) => requests[i].open(answer)),
        [0, 1, 2],
      );
    });

    test('speaks HTTP/1.0, and answers Expect: 100-continue', async (t) => {
      const { peer } = await started(t, (_, res, body) => sendJson(res, 200, body));
      const raw = await peer();
      const old = raw.request('POST', '/api/x', MARKER, { version: '1.0' });
      assert.equal(old.open(answersIn(await raw.send(old.bytes))[0]), MARKER);
      const headers = ['Expect: 100-continue', 'Connection: close'];
      const careful = raw.request('POST', '/api/x', MARKER, { headers });
      const [go, answer] = answersIn(await raw.send(careful.bytes));
      assert.equal(go.status, 100);
      assert.equal(careful.open(answer), MARKER);
    });

    test('refuses bodies over the limit at once, and the answer arrives', async (t) => {
      let handled = 0;
      const { peer } = await started(
        t,
        (_, res) => {
          handled++;
          res.end();
        },
        { maxBody: 1000 },
      );
      const raw = await peer();
      const { head } = raw.request('POST', '/api/x', 'x'.repeat(2000));
      const chunked = (text) =>
        Buffer.from(
          text.toString('latin1').replace(/content-length: \d+/i, 'Transfer-Encoding: chunked'),
          'latin1',
        );
      const piece = `800\r\n${'x'.repeat(0x800)}\r\n`;
      const handshake = 'POST /api/nen/handshake HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n';
      for (const bytes of [
        head,
        Buffer.concat([chunked(raw.request('POST', '/api/x', 1).head), Buffer.from(piece)]),
        Buffer.from(handshake),
        Buffer.concat([chunked(Buffer.from(handshake)), Buffer.from(piece.repeat(64))]),
      ]) {
        const before = performance.now();
        const [answer] = answersIn(await raw.send(bytes));
        assert.equal(codeIn(answer), 'ISO-6001');
        assert.match(answer.head, /connection: close/i);
        assert.ok(performance.now() - before < 4000);
      }
      assert.equal(handled, 0);
    });

    test('lets a client that goes on sending read its refusal', async (t) => {
      const { peer, server } = await started(t, (_, res) => res.end(), { maxBody: 1000 });
      const { head } = (await peer()).request('POST', '/api/x', 'x');
      const socket = net.connect({ ...server.address(), host: '127.0.0.1', allowHalfOpen: true });
      let text = '';
      socket.on('data', (data) => {
        text += data;
      });
      const failed = once(socket, 'error').then(
        ([error]) => error,
        () => {},
      );
      socket.write(head.toString('latin1').replace(/content-length: \d+/i, 'Content-Length: 20000000'));
      for (let sent = 0; sent < 8; sent++) {
        socket.write(Buffer.alloc(1_000_000, 'x'));
        await delay(20); // longer than the answer takes
      }
      await Promise.race([failed, delay(100)]);
      socket.destroy();
      assert.equal(codeIn(answersIn(text)[0]), 'ISO-6001');
    });

    test('does not read for ever what a refused client goes on to send', async (t) => {
      const { server } = await started(t, (_, res) => res.end());
      const socket = net.connect({ ...server.address(), host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {}).resume();
      socket.write('POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
      const piece = `400\r\n${'x'.repeat(0x400)}\r\n`;
      const more = setInterval(() => socket.write(piece), 50);
      t.after(() => clearInterval(more));
      const cut = new Promise((resolve) => socket.on('close', () => resolve('cut')));
      assert.equal(await Promise.race([cut, delay(20_000, 'still open')]), 'cut');
    });

    test('survives clients that go away in the middle of a body', async (t) => {
      const { peer, client, events } = await started(t, (_, res) => sendJson(res, 200, 'ok'));
      const raw = await peer();
      for (let i = 0; i < 5; i++) {
        const { head } = raw.request('POST', '/api/x', 'x'.repeat(2000));
        const gone = raw.send(Buffer.concat([head, Buffer.from('{"ct"')]), () => true);
        await Promise.race([gone, delay(30)]);
      }
      assert.equal(await client.nenFetch('/api/x'), 'ok');
      assert.deepEqual(
        events.filter(({ level }) => level !== 'info'),
        [],
      );
    });

    test('refuses what is not signed by a session, and never asks the application', async (t) => {
      let handled = 0;
      const { url } = await started(t, () => handled++);
      for (const init of [{}, { method: 'POST', body: '{}' }, { headers: { 'X-Nen-Session': 'x' } }]) {
        const response = await fetch(`${url}/api/x`, init);
        assert.equal(response.status, 401);
        assert.match((await response.json()).error.code, /^ISO-/);
      }
      assert.equal((await fetch(`${url}/api/nen/nothing`)).status, 404);
      assert.equal(handled, 0);
    });

    test('cuts a stream that is destroyed', async (t) => {
      const { client } = await started(t, (_, res) => {
        res.write('one', () => res.destroy());
      });
      const chunks = [];
      const read = async () => {
        for await (const chunk of client.nenStream('/api/x')) chunks.push(chunk);
      };
      await assert.rejects(read, refused('ISO-7003'));
      assert.deepEqual(chunks, ['one']);
    });

    test('lets nothing past the sealed answer', async (t) => {
      const { client, sent } = await started(t, (_, res) => {
        res.writeEarlyHints({ link: `</${MARKER}>; rel=preload` });
        res.writeHeader(200, { 'Content-Type': 'application/json', Trailer: 'X-T' });
        res.addTrailers({ 'X-T': MARKER });
        res.cork();
        res.write('"');
        res.flushHeaders();
        res.uncork();
        res.end(`${MARKER}"`);
      });
      assert.equal(await client.nenFetch('/api/x'), MARKER);
      assert.doesNotMatch(sent(), /trailer/i);
    });

    test('sends no trailers with a stream', async (t) => {
      const { client, sent } = await started(t, (_, res) => {
        res.writeHead(200, { 'Content-Type': 'text/plain', Trailer: 'X-T' });
        res.write('one');
        res.addTrailers({ 'X-T': MARKER });
        res.end();
      });
      const before = sent().length;
      assert.deepEqual(await collect(client.nenStream('/api/x')), ['one']);
      assert.doesNotMatch(sent().slice(before), /trailer|x-t:/i);
    });

    test('waits for a slow store; one that is down is 503, while the body still arrives', async (t) => {
      const store = new MoodyStore();
      const { client, peer } = await started(t, (_, res, body) => sendJson(res, 200, body), { store });
      store.delayMs = 50;
      assert.equal(await client.nenFetch('/api/x', post(MARKER)), MARKER);
      const raw = await peer();
      const first = raw.request('POST', '/api/x', 'x'.repeat(2000));
      const second = raw.request('POST', '/api/x', MARKER, { headers: ['Connection: close'] });
      store.isDown = true;
      const socket = net.connect({ port: raw.port, host: '127.0.0.1' });
      let text = '';
      socket.on('data', (data) => {
        text += data.toString('latin1');
      });
      socket.write(first.head);
      while (!text.includes('ISO-9001')) await once(socket, 'data');
      store.isDown = false;
      socket.write(Buffer.concat([first.body, second.bytes])); // the connection is good for more
      await once(socket, 'close');
      const answers = answersIn(text);
      assert.deepEqual([answers[0].status, codeIn(answers[0])], [503, 'ISO-9001']);
      assert.equal(second.open(answers[1]), MARKER);
    });

    test('keeps the connection after refusals, and refuses a replay on it', async (t) => {
      const { peer } = await started(t, (_, res, body) => sendJson(res, 200, body));
      const raw = await peer();
      const unsigned =
        'POST /api/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}';
      const signed = raw.request('POST', '/api/x', MARKER);
      const last = 'GET /api/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
      const pieces = [unsigned, signed.bytes, signed.bytes, last].map((piece) => Buffer.from(piece));
      const answers = answersIn(await raw.send(Buffer.concat(pieces)));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [100, 401, 200, 409, 401],
      );
      assert.deepEqual(
        [1, 3, 4].map((i) => codeIn(answers[i])),
        ['ISO-2003', 'ISO-5001', 'ISO-2003'],
      );
      assert.equal(signed.open(answers[2]), MARKER);
    });

    test('lets only that be reached which was signed', async (t) => {
      const seen = [];
      const { peer } = await started(t, (req, res) => {
        seen.push(req.url);
        sendJson(res, 200, MARKER);
      });
      const raw = await peer();
      const spellings = [
        '/api/x',
        '/api/X',
        '/api/%78',
        '/api//x',
        '/api/./x',
        '/api/x/',
        '/api/x?',
        '/api/x?a=1',
      ];
      for (const signed of spellings) {
        for (const target of spellings) {
          const request = raw.request('GET', target, undefined, {
            signed: signed.split('?')[0],
            headers: ['Connection: close'],
          });
          const [answer] = answersIn(await raw.send(request.bytes));
          if (answer.status === 200) assert.equal(request.open(answer), MARKER);
          const isSame = target.split('?')[0] === signed.split('?')[0];
          assert.equal(answer.status, isSame ? 200 : 401, `${signed} for ${target}`);
        }
      }
      assert.deepEqual(new Set(seen), new Set(spellings));
    });

    test('takes what is said too late as Node does', async (t) => {
      const late = deferred();
      const { client } = await started(t, (req, res) => {
        if (req.url === '/json') res.setHeader('Content-Type', 'application/json');
        res.end('"once"');
        res.end();
        assert.equal(res.writableEnded, true);
        assert.throws(() => res.setHeaders(new Map([['X-Late', '1']])), { code: 'ERR_HTTP_HEADERS_SENT' });
        assert.throws(() => res.appendHeader('X-Late', '1'), { code: 'ERR_HTTP_HEADERS_SENT' });
        assert.throws(() => res.removeHeader('Content-Type'), { code: 'ERR_HTTP_HEADERS_SENT' });
        assert.throws(() => res.writeHead(500), { code: 'ERR_HTTP_HEADERS_SENT' });
        res.on('error', () => {});
        res.end(MARKER, () => late.resolve(res.writableFinished));
      });
      assert.equal(await client.nenFetch('/json'), 'once');
      await late.promise;
      assert.deepEqual(await collect(client.nenStream('/text')), ['"once"']);
    });

    test('uses a connection again after a stream', async (t) => {
      const { client, server } = await started(t, (_, res) => {
        res.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end(MARKER);
      });
      let connections = 0;
      server.on('connection', () => connections++);
      for (let i = 0; i < 5; i++) assert.deepEqual(await collect(client.nenStream('/api/x')), [MARKER]);
      assert.equal(connections, 1);
    });

    test('uses a connection again', async (t) => {
      const { client, server } = await started(t, (_, res, body) => sendJson(res, 200, body ?? null));
      let connections = 0;
      server.on('connection', () => connections++);
      for (let i = 0; i < 10; i++) await client.nenFetch('/api/x', post(i));
      assert.equal(connections, 1);
    });
  });
}

/** A store that takes its time, or is down. */
class MoodyStore extends InMemorySessionStore {
  delayMs = 0;
  isDown = false;

  async get(sid) {
    await delay(this.delayMs);
    if (this.isDown) throw new Error(MARKER);
    return super.get(sid);
  }
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function deferred() {
  let resolve = () => {};
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
