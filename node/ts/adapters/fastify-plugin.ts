// Nen as a plugin of Fastify.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Guard } from '../server/guard.js';
import { guardOf } from '../server/guards.js';
import type { Nen } from '../server/handlers.js';
import { defaultNen } from '../server/nen.js';
import { type AdmittedRequest, Arrival } from './arrival.js';
import { describeBody, hideHeaders } from './opened-request.js';

interface FastifyRequest {
  readonly raw: IncomingMessage & { originalUrl?: string };
}

interface FastifyReply {
  readonly raw: ServerResponse;
  getHeaders(): OutgoingHttpHeaders;
  hijack(): unknown;
  callNotFound(): unknown;
}

/** What the plugin uses of an instance of Fastify, 4 or 5. */
export interface FastifyLike {
  // biome-ignore lint/suspicious/noExplicitAny: hooks have many shapes, and Fastify's types are not ours to import
  addHook(name: any, hook: any): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  route(options: any): unknown;
}

/** The options of {@link nenFastify}. */
export interface NenFastifyOptions {
  /** What `createNen` returned. Default: the configuration of the module's functions. */
  nen?: Nen;
}

/**
 * Protects the routes of the context that it is registered in, and of those below: `fastify.register(nenFastify, { nen })`.
 * Fastify gives its hooks to those that were there before, too; but hooks that were added earlier run in front of it, in
 * the clear: register it first. It also answers the session endpoints, under the `prefix` of `createNen`, wherever it is
 * registered.
 *
 * Fastify parses and validates the plain JSON as it does any body. `peerOf(request)`, also of `request.raw`, tells who sent
 * it. Whatever is answered is sealed, after `reply.hijack()` too, by the rule of `nenListener`.
 *
 * Not protected: WebSockets and other upgrades, which pass by every hook. Fastify with HTTP/2 is refused with ISO-9000.
 */
export function nenFastify(
  fastify: FastifyLike,
  options: NenFastifyOptions,
  done: (error?: Error) => void,
): void {
  const { nen = defaultNen } = options;
  const underWay = new WeakMap<FastifyRequest, [Arrival, AdmittedRequest]>();

  const onRequest: RequestHook = (request, reply, next) => {
    const arrival = arrivalOf(guardOf(nen), request, reply);
    if (answersSession(arrival, reply)) return;
    const admission = arrival.admit(request, request.raw).then((admitted) => {
      if (!admitted) return reply.hijack();
      underWay.set(request, [arrival, admitted]);
      hideHeaders(request.raw);
      return next();
    });
    arrival.watch(admission);
  };

  const preParsing: PayloadHook = (request, reply, payload, next) => {
    const [arrival, admitted] = underWay.get(request) as [Arrival, AdmittedRequest];
    const opening = arrival.open(admitted).then((json) => {
      if (json === undefined) return reply.hijack();
      if (json === null) return next(null, payload);
      describeBody(request.raw, json);
      return next(null, streamOf(json));
    });
    arrival.watch(opening);
  };

  try {
    const unknown = Object.keys(options).filter((name) => name !== 'nen' && !FASTIFY_OPTIONS.has(name));
    if (unknown.length > 0) {
      throw new TypeError(`there is no option ${unknown.join(', ')}: pass { nen: createNen(options) }`);
    }
    routeSessions(rootOf(fastify), guardOf(nen));
    fastify.addHook('onRequest', onRequest);
    fastify.addHook('preParsing', preParsing);
    done();
  } catch (error) {
    done(error as Error);
  }
}

/** What Fastify itself understands of the options of a plugin. */
const FASTIFY_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers']);

// The hooks belong to the context that registers the plugin, not to one of its own.
Object.assign(nenFastify, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@withnen/native/fastify',
});

type RequestHook = (request: FastifyRequest, reply: FastifyReply, next: () => unknown) => void;
type PayloadHook = (
  request: FastifyRequest,
  reply: FastifyReply,
  payload: Readable,
  next: (error: null, payload: Readable) => unknown,
) => void;

const routed = new WeakMap<FastifyLike, Set<Guard>>();

/** Hooks run for routes alone, and those of a context only below it: the session endpoints get a route of their own. */
function routeSessions(root: FastifyLike, guard: Guard): void {
  const guards = routed.get(root) ?? new Set();
  routed.set(root, guards);
  if (guards.has(guard)) return;
  guards.add(guard);
  const onRequest: RequestHook = (request, reply, next) => {
    if (!answersSession(arrivalOf(guard, request, reply), reply)) next();
  };
  const handler = (_: FastifyRequest, reply: FastifyReply) => reply.callNotFound();
  root.route({ method: ['GET', 'POST'], url: `${guard.prefix}/*`, onRequest, handler });
}

/** The instance that a context is below: each inherits from the one around it. */
function rootOf(fastify: FastifyLike): FastifyLike {
  let root = fastify;
  for (let above = root; typeof above?.route === 'function'; above = Object.getPrototypeOf(above))
    root = above;
  return root;
}

function answersSession(arrival: Arrival, reply: FastifyReply): boolean {
  const { endpoint } = arrival;
  if (endpoint === null) return false;
  reply.hijack();
  arrival.watch(arrival.answerSession(endpoint));
  return true;
}

/** `originalUrl` is what Fastify's `rewriteUrl` was given. */
function arrivalOf(guard: Guard, request: FastifyRequest, reply: FastifyReply): Arrival {
  const { originalUrl: target = request.raw.url ?? '' } = request.raw;
  return new Arrival(guard, request.raw, reply.raw, { target, earlier: reply.getHeaders() });
}

function streamOf(json: Buffer): Readable {
  const stream = new Readable({ read() {} });
  stream.push(json);
  stream.push(null);
  return stream;
}
