// The Node server among the interop peers: node:http, protected the way the documentation says.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { nenListener } from '../../../node/dist/node.mjs';
import { createNen, InMemorySessionStore, peerOf, RedisSessionStore } from '../../../node/dist/server.mjs';

const { Redis } = createRequire(new URL('../../../node/package.json', import.meta.url))('ioredis');

async function secureData(request, response) {
  sendJson(response, 200, { message: 'Securely processed', received: await bodyOf(request) });
}

async function note(request, response) {
  sendJson(response, 200, { id: decodeURIComponent(pathOf(request).slice('/api/notes/'.length)) });
}

async function created(request, response) {
  sendJson(response, 201, { created: await bodyOf(request) });
}

async function boom() {
  throw new Error('kaboom');
}

async function whoami(request, response) {
  const { identity } = peerOf(request);
  sendJson(response, 200, { identity: identity ? Buffer.from(identity).toString('base64') : null });
}

async function chat(request, response) {
  const wish = { prompt: 'secure streaming works', exact: false, delayMs: 0, ...(await bodyOf(request)) };
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  for (const [i, word] of wish.prompt.split(' ').entries()) {
    if (i > 0) await delay(wish.delayMs);
    response.write(wish.exact ? word : `${word} `);
  }
  response.end();
}

const routes = {
  '/api/secure-data': secureData,
  'POST /api/created': created,
  'POST /api/boom': boom,
  'POST /api/whoami': whoami,
  'GET /api/chat': chat,
  'POST /api/chat': chat,
};

function route(request) {
  const [method, path] = [request.method, pathOf(request)];
  if (method === 'GET' && path.startsWith('/api/notes/')) return note;
  return routes[path] ?? routes[`${method} ${path}`] ?? missing;
}

function pathOf({ url }) {
  return url.split('?')[0];
}

function missing(_, response) {
  sendJson(response, 404, { error: 'Not Found' });
}

/** The JSON body of a request; null without one. */
async function bodyOf(request) {
  const json = await text(request);
  return json === '' ? null : JSON.parse(json);
}

function sendJson(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

const redis = process.env.NEN_REDIS_URL
  ? new Redis(process.env.NEN_REDIS_URL, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      lazyConnect: true,
    })
  : undefined;
redis?.on('error', (error) => console.error(error.message));
await redis?.connect();
const store = redis ? new RedisSessionStore(redis) : new InMemorySessionStore();
const storeKeys = process.env.NEN_STORE_KEYS;
const protectedRoutes = nenListener(
  (request, response) => route(request)(request, response),
  createNen({ store, ...(storeKeys !== undefined && { storeKeys: storeKeys.split(',') }) }),
);

const server = createServer((request, response) => {
  if (request.method !== 'POST' || request.url !== '/plain/secure-data')
    return protectedRoutes(request, response);
  return secureData(request, response);
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
await once(server, 'listening');
console.log(`listening on http://127.0.0.1:${server.address().port}`);

process.once('SIGTERM', () => {
  server.close(() => redis?.disconnect());
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), 1000).unref();
});
