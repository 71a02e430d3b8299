// Web-standard handlers behind Hono's server, and a client whose requests are written by hand.
import { once } from 'node:events';
import { serve } from '@hono/node-server';
import { createNen, NenClient } from '@withnen/native';
import { binding } from '../dist/binding.js';

/** A configuration, and what it told the log. */
export function nenWithLog(options = {}) {
  const events = [];
  return { ...createNen({ log: (event) => events.push(event), ...options }), events };
}

/** Serves `(request) => Response` until the end of the test. */
export async function serveFetch(t, fetch) {
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' });
  if (!server.listening) await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A client with a session. */
export async function clientOf(url) {
  const client = new NenClient(url);
  await client.handshake();
  return client;
}

/** Serves one route and the session endpoints; its client has a session. */
export async function serveRoute(t, { handleSession }, route) {
  const url = await serveFetch(t, (request) =>
    new URL(request.url).pathname === '/route' ? route(request) : handleSession(request),
  );
  const client = await clientOf(url);
  return { url, client, call: (init = { method: 'POST' }) => client.request('/route', init) };
}

/** A session made without a socket: `seal` returns a sealed Request, `open` reads a sealed Response. */
export async function session({ handleSession }) {
  const client = new binding.Client({}, null);
  const handshake = await client.handshake();
  const response = await handleSession(
    new Request('http://x/api/nen/handshake', { method: 'POST', body: handshake.body }),
  );
  client.establish(handshake, response.status, await bytesOf(response), Date.now());
  return {
    seal(method, path, value, init = {}) {
      const call = client.call(method, path);
      const body = value === undefined ? null : Buffer.from(JSON.stringify(value));
      const sealed = call.seal(body, Date.now());
      const request = new Request(`http://x${path}`, {
        method,
        body: sealed.body ?? null,
        duplex: 'half',
        ...init,
        headers: [...sealed.headers, ...(init.headers ?? [])],
      });
      const open = async (answer) => {
        const { kind, json } = call.open(answer.status, null, await bytesOf(answer), Date.now());
        return kind === 'answer' ? JSON.parse(json) : kind;
      };
      const openStream = async (answer) => {
        const opener = call.openStream(answer.headers.get(binding.STREAM_NONCE_HEADER));
        opener.push(await bytesOf(answer));
        const chunks = [];
        for (let chunk = opener.nextChunk(); chunk !== null; chunk = opener.nextChunk()) chunks.push(chunk);
        opener.end();
        return chunks;
      };
      return { request, open, openStream };
    },
  };
}

const bytesOf = async (response) => Buffer.from(await response.arrayBuffer());
