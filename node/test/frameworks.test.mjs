// What is of one framework: its routing, its error handlers, its ways to answer.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { describe } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { format } from 'node:util';
import { NenClient } from '@withnen/native';
import { nenExpress } from '@withnen/native/express';
import { nenFastify } from '@withnen/native/fastify';
import { nenListener } from '@withnen/native/node';
import { createNen, peerOf } from '@withnen/native/server';
import fc from 'fast-check';
import { load, MARKER, sendJson, start, test } from './adapters.mjs';

const post = (value) => ({ method: 'POST', body: JSON.stringify(value) });
const refused = (code) => (error) => error.code === code;

describe('node:http', () => {
  const serve = (listener) => (nen) => createServer(nenListener(listener, nen));

  test('a listener that throws or rejects is ISO-9000, and the error is in the log', async (t) => {
    const failures = {
      '/throw': () => {
        throw new Error(MARKER);
      },
      '/reject': async () => {
        await delay(1);
        throw new Error(MARKER);
      },
      '/half': (res) => {
        res.writeHead(200, { 'Content-Type': 'application/json' }).write('{');
        throw new Error(MARKER);
      },
    };
    const { client, events } = await start(
      t,
      serve((req, res) => failures[req.url](res)),
    );
    for (const path of Object.keys(failures)) {
      await assert.rejects(client.nenFetch(path), refused('ISO-9000'));
    }
    const failed = events.filter(({ event }) => event === 'handler-failed');
    assert.deepEqual(
      failed.map(({ error }) => error.message),
      [MARKER, MARKER, MARKER],
    );
  });

  test('the console tells the error, whatever the path is', async (t) => {
    const lines = [];
    t.mock.method(console, 'error', (...args) => lines.push(format(...args)));
    const fail = () => {
      throw new Error('the cause');
    };
    const { peer } = await start(t, serve(fail), { log: undefined });
    const raw = await peer();
    for (const path of ['/caf%c3%a9', '/%d0%af', '/%o', '/%s']) {
      await raw.send(raw.request('GET', path).bytes, (text) => text.includes('ISO-9000'));
      assert.match(lines.pop(), new RegExp(`^nen: GET ${path}: .* failed Error: the cause`));
    }
  });

  test('a log that fails, now or later, changes nothing', async (t) => {
    const fail = () => {
      throw new Error('a log that fails');
    };
    for (const log of [fail, async () => fail()]) {
      const { url } = await start(t, serve(fail), { log });
      assert.equal((await fetch(url)).status, 401);
    }
  });

  test('what fails where nobody waits cuts its connection, and does not end the process', async (t) => {
    let isFailing = false;
    const { url, client, events } = await start(t, (nen) => {
      const listener = nenListener((_, res) => sendJson(res, 200, 1), nen);
      return createServer((req, res) => {
        const { writeHead } = res;
        res.writeHead = (...args) => {
          if (isFailing) throw new Error('a middleware in front fails');
          return writeHead.apply(res, args);
        };
        listener(req, res);
      });
    });
    isFailing = true;
    await assert.rejects(fetch(url), TypeError);
    assert.equal(events.at(-1).error.message, 'a middleware in front fails');
    isFailing = false;
    assert.equal(await client.nenFetch('/'), 1);
  });

  test('a listener that fails in the middle of a stream cuts it', async (t) => {
    const { client, events } = await start(
      t,
      serve(async (_, res) => {
        res.write('one');
        await delay(20);
        throw new Error(MARKER);
      }),
    );
    const chunks = [];
    const read = async () => {
      for await (const chunk of client.nenStream('/')) chunks.push(chunk);
    };
    await assert.rejects(read, refused('ISO-7003'));
    assert.deepEqual(chunks, ['one']);
    assert.equal(events.at(-1).event, 'handler-failed');
  });

  for (const library of ['express4', 'express']) {
    test(`protects a whole application of ${library}`, async (t) => {
      const express = load(library);
      const app = express();
      app.use(express.json());
      app.post('/api/echo', (req, res) => res.json({ body: req.body, peer: Boolean(peerOf(req)) }));
      const { client } = await start(t, serve(app));
      assert.deepEqual(await client.nenFetch('/api/echo', post({ a: 1 })), { body: { a: 1 }, peer: true });
      assert.equal((await client.request('/api/missing')).status, 404);
    });
  }

  test('protects a whole application of koa', async (t) => {
    const Koa = load('koa');
    const app = new Koa();
    app.silent = true; // no stack traces on the console
    const routes = {
      '/echo': async (ctx) => {
        ctx.body = await json(ctx.req);
      },
      '/peer': (ctx) => {
        ctx.body = { peer: Boolean(peerOf(ctx.req)) };
      },
      '/stream': (ctx) => {
        ctx.body = Readable.from([MARKER, 'two']);
      },
      '/refuse': (ctx) => ctx.throw(403, MARKER),
      '/throw': () => {
        throw new Error(MARKER);
      },
    };
    app.use((ctx) => routes[ctx.path]?.(ctx));
    const { client } = await start(t, serve(app.callback()));
    assert.deepEqual(await client.nenFetch('/echo', post({ a: 1 })), { a: 1 });
    assert.deepEqual(await client.nenFetch('/peer'), { peer: true });
    const chunks = [];
    for await (const chunk of client.nenStream('/stream')) chunks.push(chunk);
    assert.deepEqual(chunks, [MARKER, 'two']);
    const forbidden = await client.request('/refuse');
    assert.deepEqual([forbidden.status, forbidden.data], [403, MARKER]);
    assert.equal((await client.request('/missing')).status, 404);
    await assert.rejects(client.nenFetch('/throw'), refused('ISO-9000'));
  });

  test('needs no reader of the body, and writes none for HEAD', async (t) => {
    const listener = (req, res) => {
      if (req.url !== '/text') sendJson(res, 200, MARKER);
      else if (req.headers['x-empty']) res.end();
      else res.end(MARKER);
    };
    const strict = { rejectNonStandardBodyWrites: true }; // a body for HEAD would throw
    const { client, server } = await start(t, (nen) => createServer(strict, nenListener(listener, nen)));
    let connections = 0;
    server.on('connection', () => connections++);
    for (let i = 0; i < 5; i++) assert.equal(await client.nenFetch('/json', post(MARKER)), MARKER);
    assert.equal(connections, 1);
    assert.equal((await client.request('/json', { method: 'HEAD' })).status, 200);
    for (const headers of [{}, { 'X-Empty': '1' }]) {
      assert.equal((await client.request('/text', { method: 'HEAD', headers })).status, 200);
    }
  });

  test('a client that goes away ends the request that the application reads', async (t) => {
    let tell;
    const told = new Promise((resolve) => {
      tell = resolve;
    });
    const { client } = await start(
      t,
      serve((req, res) => {
        req.on('aborted', tell).on('error', () => {});
        res.write('one');
      }),
    );
    for await (const _ of client.nenStream('/', post(1))) break;
    await told;
  });

  test('refuses HTTP/2, which it cannot seal', async (t) => {
    const events = [];
    const nen = createNen({ log: (event) => events.push(event) });
    let handled = 0;
    const server = http2.createServer(nenListener(() => handled++, nen)).listen(0);
    const session = http2.connect(`http://127.0.0.1:${server.address().port}`);
    t.after(() => {
      session.destroy();
      server.close();
    });
    for (const path of ['/api/x', '/api/nen/handshake']) {
      const stream = session.request({ ':path': path, ':method': path === '/api/x' ? 'GET' : 'POST' });
      stream.end();
      const { error } = JSON.parse(Buffer.concat(await stream.toArray()));
      assert.equal(error.code, 'ISO-9000');
    }
    assert.equal(handled, 0);
    assert.match(events[0].message, /HTTP\/2/);
  });

  test('checks its arguments', () => {
    assert.throws(() => nenListener(undefined), /listener must be a function/);
    assert.throws(() => nenListener(() => {}, {}), /createNen/);
    assert.throws(() => nenExpress({}), /createNen/);
  });
});

for (const library of ['express4', 'express']) {
  const express = load(library);
  const serve = (build) => (nen) => {
    const app = express();
    app.set('env', 'test'); // no stack traces on the console
    build(app, nenExpress(nen));
    return createServer(app);
  };

  describe(library, () => {
    test('protects a mount, a Router, or a single route, and nothing else', async (t) => {
      const answer = (req, res) => res.json({ body: req.body ?? null, peer: Boolean(peerOf(req)) });
      const { client, url } = await start(
        t,
        serve((app, nen) => {
          app.use('/api', nen);
          app.post('/api/mounted', answer);
          const router = express.Router();
          router.use(nen);
          router.post('/x', answer);
          app.use('/deep/router', router);
          app.post('/single', nen, answer);
          app.get('/public', (_, res) => res.json('public'));
        }),
      );
      for (const path of ['/api/mounted', '/deep/router/x', '/single']) {
        assert.deepEqual(await client.nenFetch(path, post([1])), { body: [1], peer: true });
        assert.equal((await fetch(url + path, { method: 'POST' })).status, 401);
      }
      assert.equal(await (await fetch(`${url}/public`)).json(), 'public');
    });

    test('body parsers behind it leave the body alone; in front of it, they are refused', async (t) => {
      const { client, events } = await start(
        t,
        serve((app, nen) => {
          app.use('/wrong', express.json());
          app.use(nen, express.json(), express.urlencoded({ extended: false }), express.text());
          app.use((req, res) => res.json({ body: req.body }));
        }),
      );
      for (const body of [{ a: 1 }, 'text', 7, false, null]) {
        assert.deepEqual(await client.nenFetch('/api/x', post(body)), { body });
      }
      await assert.rejects(client.nenFetch('/wrong', post({})), refused('ISO-9000'));
      assert.match(events.at(-1).message, /put nen in front of body parsers/);
    });

    test('seals files, redirects and what error handlers answer', async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'nen-'));
      t.after(() => rm(folder, { recursive: true }));
      await writeFile(join(folder, 'page.html'), MARKER.repeat(10_000));
      await writeFile(join(folder, 'data.json'), JSON.stringify(MARKER));
      const { client, sent } = await start(
        t,
        serve((app, nen) => {
          app.use(nen);
          app.use('/static', express.static(folder));
          app.get('/file', (_, res) => res.sendFile(join(folder, 'page.html')));
          app.get('/redirect', (_, res) => res.redirect('/elsewhere'));
          app.get('/handled', () => {
            throw Object.assign(new Error(MARKER), { handled: true });
          });
          app.get('/unhandled', (_, res) => {
            res.setHeader('X-App', 'x-app-header');
            throw new Error(MARKER);
          });
          app.get('/status', (_, res) => res.sendStatus(403));
          app.use((error, _, res, next) =>
            error.handled ? res.status(409).json({ reason: error.message }) : next(error),
          );
        }),
      );
      for (const path of ['/file', '/static/page.html']) {
        let page = '';
        for await (const chunk of client.nenStream(path, { headers: { Range: 'bytes=0-3' } })) page += chunk;
        assert.equal(page, MARKER.repeat(10_000));
      }
      assert.equal(await client.nenFetch('/static/data.json'), MARKER);
      const redirect = await client.request('/redirect');
      assert.deepEqual([redirect.status, redirect.headers.get('location')], [302, '/elsewhere']);
      const handled = await client.request('/handled');
      assert.deepEqual([handled.status, handled.data], [409, { reason: MARKER }]);
      assert.deepEqual((await client.request('/status')).data, 'Forbidden');
      const before = sent().length;
      await assert.rejects(client.nenFetch('/unhandled'), refused('ISO-9000'));
      assert.doesNotMatch(sent().slice(before), /x-app-header/);
    });

    test('lets middlewares in front and behind set headers at the last moment', async (t) => {
      const cookie = (name) => (_, res, next) => {
        const { writeHead } = res;
        res.writeHead = function (...args) {
          if (!this.headersSent) this.appendHeader('Set-Cookie', `${name}=1`);
          return writeHead.apply(this, args);
        };
        next();
      };
      const { client } = await start(
        t,
        serve((app, nen) => {
          app.use(cookie('front'), nen, cookie('behind'));
          app.use('/json', (_, res) => res.json(MARKER));
          app.use('/empty', (_, res) => res.status(202).end());
        }),
      );
      for (const path of ['/json', '/empty']) {
        const { headers } = await client.request(path);
        assert.deepEqual(headers.getSetCookie().toSorted(), ['behind=1', 'front=1']);
      }
    });

    test('keeps on refusals what middlewares in front have set', async (t) => {
      const { url } = await start(
        t,
        serve((app, nen) => {
          app.use((_, res, next) => {
            res.setHeader('Access-Control-Allow-Origin', 'https://app.example');
            next();
          });
          app.use(nen);
        }),
      );
      const response = await fetch(`${url}/api/x`);
      assert.equal(response.status, 401);
      assert.equal(response.headers.get('access-control-allow-origin'), 'https://app.example');
    });

    test('is refused twice on one request, and says so', async (t) => {
      const { client, events } = await start(
        t,
        serve((app, nen) => app.use(nen, nen, (_, res) => res.json(MARKER))),
      );
      await assert.rejects(client.nenFetch('/api/x'), refused('ISO-9000'));
      assert.match(events.at(-1).error.message, /protected twice/);
    });

    test('is never answered 304, and leaves the query and parameters of the route alone', async (t) => {
      const { client } = await start(
        t,
        serve((app, nen) => {
          app.use(nen);
          app.get('/x/:id', ({ query, params, url, originalUrl }, res) => {
            res.json({ query, params, url, originalUrl });
          });
        }),
      );
      const headers = { 'If-None-Match': '*', 'If-Modified-Since': new Date().toUTCString() };
      const answer = await client.request('/x/5?a=1', { headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('etag'), null);
      const [url, originalUrl] = ['/x/5?a=1', '/x/5?a=1'];
      assert.deepEqual(answer.data, { query: { a: '1' }, params: { id: '5' }, url, originalUrl });
    });

    test('compression in front of it and behind it leaves the answer alone; what is compressed is refused', async (t) => {
      const compression = load('compression')({ threshold: 0 });
      for (const isFront of [true, false]) {
        const { client, events, sent } = await start(
          t,
          serve((app, nen) => {
            app.use(isFront ? [compression, nen] : [nen, compression]);
            app.get('/json', (_, res) => res.json(MARKER.repeat(1000)));
            app.get('/text', (_, res) => res.type('text').send(MARKER));
            app.get('/compressed', (_, res) => res.set('Content-Encoding', 'gzip').json(MARKER));
          }),
        );
        const headers = { 'Accept-Encoding': 'gzip' };
        assert.equal(await client.nenFetch('/json', { headers }), MARKER.repeat(1000));
        for await (const chunk of client.nenStream('/text', { headers })) assert.equal(chunk, MARKER);
        assert.doesNotMatch(sent(), /content-encoding/i);
        await assert.rejects(client.nenFetch('/compressed'), refused('ISO-9000'));
        assert.match(events.at(-1).message, /a compressed answer cannot be sealed/);
      }
    });

    test('an error after the answer has begun cuts the connection', async (t) => {
      const { client } = await start(
        t,
        serve((app, nen) =>
          app.use(nen, (_, res, next) => {
            res.write(MARKER);
            setTimeout(() => next(new Error(MARKER)), 20);
          }),
        ),
      );
      const read = async () => {
        for await (const chunk of client.nenStream('/api/x')) assert.equal(chunk, MARKER);
      };
      await assert.rejects(read, refused('ISO-7003'));
    });
  });
}

for (const library of ['fastify4', 'fastify']) {
  const serve = (build) => async (nen) => {
    const app = load(library)({ exposeHeadRoutes: true });
    await build(app, nen);
    await app.ready();
    return app.server;
  };

  describe(library, () => {
    test('protects the context that it is registered in, with the session endpoints at the root', async (t) => {
      const answer = async (request) => ({ peer: Boolean(peerOf(request) && peerOf(request.raw)) });
      const { client, url } = await start(
        t,
        serve(async (app, nen) => {
          app.get('/public', answer);
          for (const prefix of ['/one', '/two']) {
            await app.register(
              async (inner) => {
                await inner.register(nenFastify, { nen });
                inner.get('/x', answer);
                inner.register(async (deeper) => deeper.get('/deep', answer));
              },
              { prefix },
            );
          }
        }),
      );
      for (const path of ['/one/x', '/two/x', '/one/deep']) {
        assert.deepEqual(await client.nenFetch(path), { peer: true });
        assert.equal((await fetch(url + path)).status, 401);
      }
      assert.deepEqual(await (await fetch(`${url}/public`)).json(), { peer: false });
      assert.equal(await client.status(), true);
      assert.equal((await fetch(`${url}/api/nen/nothing`)).status, 404);
    });

    test('has Fastify parse and validate the plain body, and seals what it says', async (t) => {
      const { client } = await start(
        t,
        serve(async (app, nen) => {
          await app.register(nenFastify, { nen });
          const body = { type: 'object', required: ['a'], properties: { a: { type: 'number' } } };
          app.post('/valid', { schema: { body } }, async (request) => request.body);
          app.post('/length', async (request) => request.headers['content-length']);
        }),
        { maxBody: 8 * 1024 * 1024 },
      );
      assert.deepEqual(await client.nenFetch('/valid', post({ a: 1 })), { a: 1 });
      const invalid = await client.request('/valid', post({ b: MARKER }));
      assert.equal(invalid.status, 400);
      assert.match(invalid.data.message, /must have required property 'a'/);
      assert.equal((await client.request('/missing')).status, 404);
      assert.equal((await client.request('/valid', post(MARKER.repeat(100_000)))).status, 413);
    });

    test('seals what handlers send: streams, errors, hijacked answers, HEAD', async (t) => {
      const { client } = await start(
        t,
        serve(async (app, nen) => {
          await app.register(nenFastify, { nen });
          app.get('/stream', (_, reply) => reply.send(Readable.from([MARKER, 'two'])));
          app.get('/error', async () => {
            throw Object.assign(new Error(MARKER), { statusCode: 418 });
          });
          app.get('/broken', (_, reply) => {
            reply.send(
              Readable.from(
                (async function* () {
                  yield MARKER;
                  await delay(20);
                  throw new Error(MARKER);
                })(),
              ),
            );
          });
          app.get('/hijacked', (_, reply) => {
            reply.hijack();
            sendJson(reply.raw, 200, MARKER);
          });
          app.get('/json', async () => ({ marker: MARKER }));
        }),
      );
      const chunks = [];
      for await (const chunk of client.nenStream('/stream')) chunks.push(chunk);
      assert.deepEqual(chunks, [MARKER, 'two']);
      const error = await client.request('/error');
      assert.deepEqual([error.status, error.data.message], [418, MARKER]);
      const read = async () => {
        for await (const chunk of client.nenStream('/broken')) assert.equal(chunk, MARKER);
      };
      await assert.rejects(read, refused('ISO-7003'));
      assert.equal(await client.nenFetch('/hijacked'), MARKER);
      const get = await client.request('/json');
      const head = await client.request('/json', { method: 'HEAD' });
      assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
    });

    test('is protected from the first hook on, with the headers of other plugins on refusals', async (t) => {
      const { client, url } = await start(
        t,
        serve(async (app, nen) => {
          app.addHook('onRequest', async (_, reply) => {
            reply.header('Access-Control-Allow-Origin', '*');
          });
          await app.register(nenFastify, { nen });
          app.addHook('onRequest', async (request, reply) => {
            if (request.url === '/early') return reply.code(403).send({ reason: MARKER });
          });
          app.post('/early', async () => MARKER);
        }),
      );
      const early = await client.request('/early', post(1));
      assert.deepEqual([early.status, early.data], [403, { reason: MARKER }]);
      const refusal = await fetch(`${url}/early`, { method: 'POST' });
      assert.equal(refusal.status, 401);
      assert.equal(refusal.headers.get('access-control-allow-origin'), '*');
    });

    test('protects the routes, and all contexts below, that were there before it', async (t) => {
      const answer = async () => MARKER;
      const { url, client } = await start(
        t,
        serve((app, nen) => {
          app.get('/same', answer);
          app.register(async (inner) => {
            inner.get('/below', answer);
            inner.register(async (deeper) => deeper.get('/deep', { onRequest: async () => {} }, answer));
          });
          app.register(nenFastify, { nen });
          app.setNotFoundHandler(async (_, reply) => reply.code(404).send(MARKER));
        }),
      );
      for (const path of ['/same', '/below', '/deep', '/missing']) {
        assert.equal((await fetch(url + path)).status, 401);
      }
      for (const path of ['/same', '/below', '/deep']) {
        for await (const chunk of client.nenStream(path)) assert.equal(chunk, MARKER);
      }
      const missing = await client.request('/missing');
      assert.deepEqual([missing.status, missing.data], [404, MARKER]);
    });

    test('is refused by Fastify once it has started', async () => {
      const app = load(library)();
      app.get('/x', async () => MARKER);
      await app.ready();
      await assert.rejects(async () => app.register(nenFastify), /already booted/);
    });

    test('checks the signature of the path before rewriteUrl, and seals what handlers and error handlers send', async (t) => {
      const { client } = await start(t, async (nen) => {
        const app = load(library)({ rewriteUrl: ({ url }) => url.replace('/old', '/new') });
        app.register(nenFastify, { nen });
        app.setErrorHandler(async (error, _, reply) => reply.code(422).send({ reason: error.message }));
        app.get('/new/x', async ({ url }) => ({ url }));
        app.get('/error', async () => {
          throw new Error(MARKER);
        });
        app.get('/web', async (_, reply) => {
          const headers = { 'content-type': 'application/json', 'x-app': 'kept' };
          return reply.send(new Response(JSON.stringify(MARKER), { status: 201, headers }));
        });
        app.get('/blob', async (_, reply) => reply.send(new Blob([MARKER]).stream()));
        app.get('/trailer', async (_, reply) => {
          reply.trailer('x-app-trailer', (_reply, _payload, done) => done(null, MARKER));
          return { a: 1 };
        });
        await app.ready();
        return app.server;
      });
      assert.deepEqual(await client.nenFetch('/old/x?a=1'), { url: '/new/x?a=1' });
      const error = await client.request('/error');
      assert.deepEqual([error.status, error.data], [422, { reason: MARKER }]);
      const web = await client.request('/web');
      assert.deepEqual([web.status, web.data, web.headers.get('x-app')], [201, MARKER, 'kept']);
      for await (const chunk of client.nenStream('/blob')) assert.equal(chunk, MARKER);
      assert.deepEqual(await client.nenFetch('/trailer'), { a: 1 });
    });

    test('takes no options but nen and those of Fastify', async () => {
      for (const options of [{ store: {} }, createNen()]) {
        const app = load(library)();
        app.register(nenFastify, options);
        await assert.rejects(async () => app.ready(), {
          name: 'TypeError',
          message: /no option .*createNen/,
        });
      }
      const app = load(library)();
      app.register(nenFastify, { nen: createNen(), prefix: '/api', logLevel: 'warn' });
      await app.ready();
    });

    test('works through inject', async () => {
      const app = load(library)();
      const nen = createNen();
      app.register(nenFastify, { nen });
      app.register(async (inner) => inner.post('/echo', async (request) => request.body));
      const client = new NenClient('http://inject.example', {
        fetch: async (url, { method, headers, body }) => {
          const payload = body === undefined || body === null ? undefined : Buffer.from(body);
          const answer = await app.inject({
            method,
            url: String(url),
            headers: Object.fromEntries(new Headers(headers)),
            payload,
          });
          return new Response(answer.rawPayload, { status: answer.statusCode, headers: answer.headers });
        },
      });
      await client.handshake();
      assert.deepEqual(await client.nenFetch('/echo', post({ a: 1 })), { a: 1 });
      await app.close();
    });
  });
}

describe('whatever the spelling of the path', () => {
  const routers = {
    'express 4': (nen) => expressRoutes('express4', nen),
    'express 5': (nen) => expressRoutes('express', nen),
    'fastify 4': (nen) => fastifyRoutes('fastify4', nen),
    'fastify 5': (nen) => fastifyRoutes('fastify', nen),
    http: (nen) => createServer(nenListener((_, res) => sendJson(res, 200, MARKER), nen)),
  };

  /** One protected route in four ways, and a fallback that gives nothing away. */
  function expressRoutes(library, nen) {
    const app = load(library)();
    const secret = (_, res) => res.json(MARKER);
    app.use('/api', nenExpress(nen), load(library).Router().all('/secret', secret));
    app.all('/single/secret', nenExpress(nen), secret);
    app.use((_, res) => res.status(404).end());
    return createServer(app);
  }

  async function fastifyRoutes(library, nen) {
    const routing = { ignoreTrailingSlash: true, caseSensitive: false, ignoreDuplicateSlashes: true };
    const app = load(library)(library === 'fastify' ? { routerOptions: routing } : routing);
    for (const prefix of ['/api', '/single']) {
      await app.register(
        async (inner) => {
          await inner.register(nenFastify, { nen });
          inner.all('/secret', async () => MARKER);
        },
        { prefix },
      );
    }
    await app.ready();
    return app.server;
  }

  const spelled = (path) =>
    fc
      .array(fc.constantFrom('same', 'upper', 'percent', 'percent-lower'), {
        minLength: path.length,
        maxLength: path.length,
      })
      .map((ways) => [...path].map((character, i) => spell(character, ways[i])).join(''));

  function spell(character, way) {
    const code = character.charCodeAt(0).toString(16).padStart(2, '0');
    return {
      same: character,
      upper: character.toUpperCase(),
      percent: `%${code.toUpperCase()}`,
      'percent-lower': `%${code}`,
    }[way];
  }

  const targets = fc
    .tuple(
      fc.constantFrom('', 'http://x', 'HTTP://other:80', '/', '/.', '/x/..', '/api/nen/..', '//host'),
      fc.oneof(
        fc.constantFrom('/api/secret', '/single/secret'),
        spelled('/api/secret'),
        spelled('/single/secret'),
      ),
      fc.constantFrom('', '/', '//', '?', '?a=/api/nen/handshake', '#x', ';x', '/.', '%20', '%00', '/..'),
    )
    .map((parts) => parts.join(''))
    .filter((target) => target.startsWith('/') || /^http/i.test(target));

  for (const [name, serve] of Object.entries(routers)) {
    test(`no request without a session reaches ${name}`, async (t) => {
      const { peer, sent } = await start(t, serve);
      const raw = await peer();
      const plain = async (target) => {
        const ask = (method, end = '') => `${method} ${target} HTTP/1.1\r\nHost: x\r\n${end}\r\n`;
        await raw.send(ask('GET') + ask('POST', 'Connection: close\r\nContent-Length: 0\r\n'));
      };
      await plain('/api/secret');
      assert.match(sent(), /ISO-2003|ISO-3005/);
      await fc.assert(
        fc.asyncProperty(targets, async (target) => {
          await plain(target);
          assert.ok(!sent().includes(MARKER), target);
        }),
        { numRuns: 150 },
      );
    });
  }
});
