// A server on node:http, made of the native module's low-level parts, with routes that behave and routes that lie.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { NenError } from '@withnen/native';
import { binding } from '../dist/binding.js';

/**
 * @param {{ now?: () => number, hold?: Promise<unknown>, options?: object }} settings `now` is the server's clock;
 *   handshakes wait for `hold`; `options` are those of the native server.
 * @param {import('node:test').TestContext} [t] The test that the server ends with.
 */
export async function startServer({ now = Date.now, hold, options = {} } = {}, t = undefined) {
  const server = new binding.Server(options);
  const store = new binding.MemoryStore({});
  /** What arrived: `METHOD target`, with headers and raw body. */
  const requests = [];
  /** Streams whose client went away before the end. */
  const aborted = [];

  const http = createServer(async (request, response) => {
    const { method, url: target, rawHeaders } = request;
    const body = Buffer.concat(await request.toArray());
    requests.push({ line: `${method} ${target}`, headers: request.headers, body: body.toString() });
    const send = (status, bytes, headers = {}) => {
      response.writeHead(status, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(bytes),
        ...headers,
      });
      response.end(method === 'HEAD' ? undefined : bytes);
    };
    const path = new URL(target, 'http://x').pathname;
    if (foreign[path]) return foreign[path]({ send, response });
    const clock = path === '/api/faults/stale-clock' ? now() + 90_000 : now();
    response.setHeader('date', new Date(clock).toUTCString());
    try {
      const route = server.route(method, target);
      if (route === 'not-found') return send(404, '{}');
      if (route !== null) {
        if (route === 'handshake') await hold;
        const answer = await server.respond(store, route, method, target, rawHeaders, body, clock);
        return send(answer.status, answer.body);
      }
      const exchange = server.admit(store, method, target, rawHeaders, clock);
      const json = exchange.open(body);
      const context = {
        request,
        response,
        send,
        exchange,
        body: json === null ? null : JSON.parse(json),
        aborted,
      };
      const seal = (status, value) => exchange.seal('json', status, Buffer.from(JSON.stringify(value)));
      await routeTo(path)({ ...context, raw: body, seal });
    } catch (error) {
      const failure = error instanceof NenError ? error : new NenError('ISO-9000', { cause: error });
      const { code, message, status } = failure;
      send(status, JSON.stringify({ error: { code, message } }));
    }
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const close = async () => {
    if (!http.listening) return;
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  };
  t?.after(close);
  return {
    url: `http://127.0.0.1:${http.address().port}`,
    store,
    requests,
    aborted,
    count: (line) => requests.filter((request) => request.line === line).length,
    close,
  };
}

/** Ends a session behind its client's back: by a request that nothing but the session's id is needed for. */
export async function terminateBehindTheBack(client, url) {
  const headers = { 'x-nen-session': client.sessionId };
  const response = await fetch(`${url}/api/nen/terminate`, { method: 'POST', headers });
  if (!response.ok) throw new Error(`terminate was answered with ${response.status}`);
}

function routeTo(path) {
  return protectedRoutes[path] ?? (path.startsWith('/api/notes/') ? note : missing);
}

async function note({ request, send, seal }) {
  const id = decodeURIComponent(request.url.split('?')[0].slice('/api/notes/'.length));
  const answer = seal(200, { id });
  send(answer.status, answer.body);
}

async function missing({ send, seal }) {
  const answer = seal(404, { reason: 'no such thing' });
  send(answer.status, answer.body);
}

const protectedRoutes = {
  '/api/secure-data': async ({ body, send, seal }) => {
    const answer = seal(200, { message: 'Securely processed', received: body });
    send(answer.status, answer.body);
  },
  '/app/api/secure-data': async (context) => protectedRoutes['/api/secure-data'](context),
  '/api/created': async ({ body, send, seal }) => {
    const answer = seal(201, { created: body });
    send(answer.status, answer.body, { location: '/api/created/1' });
  },
  '/api/boom': async () => {
    throw new Error('kaboom');
  },
  '/api/whoami': async ({ exchange, send, seal }) => {
    const answer = seal(200, { identity: exchange.identity?.toString('base64') ?? null });
    send(answer.status, answer.body);
  },
  '/api/slow': async ({ body, send, seal }) => {
    const answer = seal(200, body);
    await delay(50);
    send(answer.status, answer.body);
  },
  '/api/chat': async ({ body, response, exchange, aborted }) => {
    // Before the first chunk, since a client may leave as soon as it has that.
    if (body?.endless) response.on('close', () => aborted.push('/api/chat'));
    const sealer = openStream(response, exchange);
    const words = (body?.prompt ?? 'secure streaming works').split(' ');
    for (const chunk of body?.chunks ?? words.map((word) => (body?.exact ? word : `${word} `))) {
      response.write(sealer.seal(Buffer.from(chunk, body?.encoding ?? 'utf8')));
      await delay(body?.delayMs ?? 0);
    }
    if (body?.endless) return;
    response.end(sealer.finish());
  },

  '/api/faults/tampered': async ({ body, send, seal }) => {
    const { ct, n } = JSON.parse(seal(200, body).body);
    const bytes = Buffer.from(ct, 'base64');
    bytes[0] ^= 1;
    send(200, JSON.stringify({ ct: bytes.toString('base64'), n }));
  },
  '/api/faults/plaintext': async ({ send }) => send(200, '{"ok":true}'),
  '/api/faults/reflected': async ({ request, raw, send }) => {
    const { ct } = JSON.parse(raw);
    send(200, JSON.stringify({ ct, n: request.headers['x-nen-nonce'] }));
  },
  '/api/faults/not-base64': async ({ send, seal }) => {
    const { n } = JSON.parse(seal(200, null).body);
    send(200, JSON.stringify({ ct: '%%%%', n }));
  },
  '/api/faults/not-json': async ({ exchange, send }) => {
    const answer = exchange.seal('json', 200, Buffer.from('not json'));
    send(200, answer.body);
  },
  '/api/faults/truncated': async ({ response, exchange }) => {
    const sealer = openStream(response, exchange);
    response.end(sealer.seal(Buffer.from('half')));
  },
  '/api/faults/reset': async ({ response, exchange }) => {
    const sealer = openStream(response, exchange);
    response.write(sealer.seal(Buffer.from('half')), () => setTimeout(() => response.destroy(), 20));
  },
  '/api/faults/no-stream-nonce': async ({ response, exchange }) => {
    const sealer = openStream(response, exchange, { nonce: false });
    response.end(sealer.finish());
  },
  '/api/faults/reordered': async ({ response, exchange }) => {
    const sealer = openStream(response, exchange);
    const frames = ['a', 'b', 'c'].map((chunk) => sealer.seal(Buffer.from(chunk)));
    response.end(Buffer.concat([frames[0], frames[2], frames[1], sealer.finish()]));
  },
  '/api/faults/stale-clock': async (context) => protectedRoutes['/api/secure-data'](context),
  '/api/faults/no-body': async ({ response }) => response.writeHead(204).end(),
};

function openStream(response, exchange, { nonce = true } = {}) {
  const sealer = exchange.stream();
  if (nonce) response.setHeader(binding.STREAM_NONCE_HEADER, sealer.nonceHeader);
  response.writeHead(200, {
    'content-type': binding.STREAM_CONTENT_TYPE,
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  });
  return sealer;
}

/** Routes that speak another protocol. */
const foreign = {
  '/foreign/bad-gateway': ({ send }) =>
    send(502, '<h1>Bad Gateway</h1>', { 'content-type': 'text/html', 'x-proxy': 'yes' }),
  '/foreign/reason': ({ response }) => response.writeHead(502, 'Zugang ungültig').end('no'),
  '/foreign/unauthorized': ({ send }) => send(401, 'who are you?', { 'content-type': 'text/plain' }),
  '/foreign/redirect': ({ send }) => send(307, '', { location: '/api/secure-data' }),
  '/foreign/large': ({ send }) => send(502, Buffer.alloc(70_000, 'x')),
};
