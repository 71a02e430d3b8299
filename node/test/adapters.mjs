// Servers of every adapter, watched on the wire: nothing that holds the marker may travel.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { json } from 'node:stream/consumers';
import { test as nodeTest } from 'node:test';
import { NenClient } from '@withnen/native';
import { nenExpress } from '@withnen/native/express';
import { nenFastify } from '@withnen/native/fastify';
import { nenListener } from '@withnen/native/node';
import { createNen } from '@withnen/native/server';
import { binding } from '../dist/binding.js';

const require = createRequire(import.meta.url);

/** A test that fails, where without a limit it would wait for ever. */
export const test = (name, run) => nodeTest(name, { timeout: 60_000 }, run);

/** What is in every plaintext of these tests, and must never be seen on the wire. */
export const MARKER = 'plain-marker';

/**
 * Servers of one handler, `(request, response, body) => …`, which answers every path.
 *
 * @type {Record<string, (handler: Function, nen: object) => import('node:http').Server | Promise<import('node:http').Server>>}
 */
export const adapters = {
  http: (handler, nen) =>
    createServer(nenListener(async (req, res) => handler(req, res, await jsonOf(req)), nen)),
  'express 4': (handler, nen) => createServer(expressApp('express4', handler, nen)),
  'express 5': (handler, nen) => createServer(expressApp('express', handler, nen)),
  'fastify 4': (handler, nen) => fastifyServer('fastify4', handler, nen),
  'fastify 5': (handler, nen) => fastifyServer('fastify', handler, nen),
};

function expressApp(library, handler, nen) {
  const app = require(library)();
  app.use(nenExpress(nen));
  app.use((req, res) => handler(req, res, req.body));
  return app;
}

async function fastifyServer(library, handler, nen) {
  const app = require(library)();
  await app.register(nenFastify, { nen });
  app.all('/*', (request, reply) => {
    reply.hijack();
    return handler(request.raw, reply.raw, request.body);
  });
  await app.ready();
  return app.server;
}

async function jsonOf(request) {
  return request.headers['content-length'] === undefined ? undefined : json(request);
}

export const load = (library) => require(library);

/** Starts a server behind a wire that is watched, until the test ends. */
export async function start(t, makeServer, options = {}) {
  const events = [];
  const nen = createNen({ log: (event) => events.push(event), ...options });
  const server = await makeServer(nen);
  if (!server.listening) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const wire = await watch(t, server.address().port);
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    if (server.listening) await once(server, 'close');
  });
  const client = new NenClient(wire.url);
  await client.handshake();
  return { ...wire, server, events, nen, client, peer: () => RawPeer.connect(wire) };
}

/** A wire to a port, and all that the server has sent over it. */
async function watch(t, target) {
  let sent = '';
  const sockets = new Set();
  const proxy = net.createServer((near) => {
    const far = net.connect(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.setNoDelay();
    }
    far.on('data', (data) => {
      sent += data.toString('latin1');
    });
    near.pipe(far);
    far.pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
    assert.ok(!sent.includes(MARKER), 'plaintext was on the wire');
  });
  const { port } = proxy.address();
  return { port, url: `http://127.0.0.1:${port}`, sent: () => sent };
}

/** A client that leaves HTTP to the test. */
export class RawPeer {
  static async connect({ url, port }) {
    const peer = new RawPeer();
    peer.port = port;
    peer.native = new binding.Client({}, null);
    const handshake = await peer.native.handshake();
    const response = await fetch(`${url}/api/nen/handshake`, { method: 'POST', body: handshake.body });
    const answer = Buffer.from(await response.arrayBuffer());
    peer.native.establish(handshake, response.status, answer, Date.now());
    return peer;
  }

  /** One request's bytes, and how to open its answer. */
  request(method, target, value, { headers = [], version = '1.1', signed = target } = {}) {
    const call = this.native.call(method, signed);
    const plain = value === undefined ? null : Buffer.from(JSON.stringify(value));
    const sealed = call.seal(plain, Date.now());
    const body = sealed.body ?? Buffer.alloc(0);
    const lines = [
      `${method} ${target} HTTP/${version}`,
      'Host: x',
      ...headers,
      ...sealed.headers.map(([name, text]) => `${name}: ${text}`),
      ...(sealed.body ? ['Content-Type: application/json', `Content-Length: ${body.length}`] : []),
    ];
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
    const open = (answer) =>
      JSON.parse(call.open(answer.status, null, Buffer.from(answer.body), Date.now()).json);
    return { head, body, bytes: Buffer.concat([head, body]), open };
  }

  /** Sends bytes, and gives what comes until the server closes the connection, or `enough` says so. */
  async send(bytes, enough = () => false) {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (enough(text)) socket.destroy();
    });
    socket.write(bytes);
    await once(socket, 'close');
    return text;
  }
}

/** The answers in what a server has sent, all of which have a Content-Length. */
export function answersIn(text) {
  const answers = [];
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n');
    const head = rest.slice(0, end);
    const status = Number(head.split(' ')[1]);
    const length = status < 200 ? 0 : Number(/content-length: (\d+)/i.exec(head)?.[1]);
    answers.push({ status, head, body: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

/** The code of a refusal as it travels. */
export const codeIn = (answer) => JSON.parse(answer.body).error.code;

export function sendJson(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}
