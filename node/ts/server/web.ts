// Web-standard handlers: a `Request` comes in, a `Response` goes out.

import { binding, type Endpoint } from '../binding.js';
import { NenError } from '../error.js';
import { admitted, letIn } from './admitted.js';
import type { Guard } from './guard.js';
import type { Nen, ProtectOptions, VerifiedRequest } from './handlers.js';
import type { Incoming } from './incoming.js';
import { type Peer, peerOf } from './peer.js';
import {
  type Admission,
  ApplicationError,
  sealChunks,
  sealResponse,
  sealResult,
  wholeResponse,
} from './web-answer.js';
import { readBody } from './web-body.js';

const signedHeaders = binding.signedHeaders();
const hiddenHeaders = binding.hiddenRequestHeaders();

type Seal = (admission: Admission, result: unknown) => Promise<Response>;

/** The handlers of the configuration that `guardNow` returns. */
export function webHandlers(guardNow: () => Guard): Nen {
  /** Answers a protected request: `run` is the application, `seal` takes what it returns. */
  async function answer(
    guard: Guard,
    request: Request,
    strict: boolean | undefined,
    run: (body: Buffer | null, admission: Admission) => unknown,
    seal: Seal,
  ): Promise<Response> {
    try {
      const admission = await admit(guard, request, strict);
      const body = await open(admission, request);
      return await seal(admission, await callApplication(() => run(body, admission)));
    } catch (error) {
      return refusal(guard, error, request);
    }
  }

  /** A wrapper of handlers whose result is sealed so. */
  const wrapper =
    (seal: Seal) =>
    <R extends Request, Rest extends unknown[]>(
      handler: (request: R, body: unknown, ...rest: Rest) => unknown,
      options?: ProtectOptions,
    ) => {
      mustBeFunction(handler);
      const strict = strictOf(guardNow, options);
      return (request: R, ...rest: Rest): Promise<Response> =>
        answer(guardNow(), request, strict, (body) => handler(request, parse(body), ...rest), seal);
    };

  async function respond(endpoint: Endpoint, request: Request): Promise<Response> {
    const guard = guardNow();
    try {
      const body =
        endpoint === 'handshake' || endpoint === 'rotate'
          ? await readBody(request, binding.MAX_HANDSHAKE_BODY, () => guard.refuseLongHandshake())
          : new Uint8Array();
      return wholeResponse(request.method, await guard.respond(endpoint, incomingOf(request), body));
    } catch (error) {
      return refusal(guard, error, request);
    }
  }

  const handleSession = async (request: Request): Promise<Response> => {
    const endpoint = guardNow().route(incomingOf(request));
    return endpoint === null || endpoint === 'not-found' ? notFound(request) : respond(endpoint, request);
  };

  return {
    handleHandshake: (request) => respond('handshake', request),
    handleRotate: (request) => respond('rotate', request),
    handleTerminate: (request) => respond('terminate', request),
    handleStatus: (request) => respond('status', request),
    handleSession,
    withNen: wrapper(sealResult),
    withNenStream: wrapper(sealChunks),

    protect(fetch, options) {
      mustBeFunction(fetch);
      const strict = strictOf(guardNow, options);
      return async (request, ...rest) => {
        const guard = guardNow();
        if (guard.route(incomingOf(request)) !== null) return handleSession(request);
        const run = (body: Buffer | null, { exchange }: Admission) => {
          const opened = openedRequest(request, body);
          letIn(opened, exchange);
          return fetch(opened, ...rest);
        };
        return answer(guard, request, strict, run, sealResponse);
      };
    },

    async verifyRequest(request, options) {
      const strict = strictOf(guardNow, options);
      return new Verified(request, await admit(guardNow(), request, strict));
    },

    async decryptBody(verified) {
      return parse(await open(Verified.admission(verified), verified.request));
    },

    async encryptResponse(verified, value, init) {
      try {
        return await sealResult(Verified.admission(verified), value, init);
      } catch (error) {
        throw error instanceof ApplicationError ? error.thrown : error;
      }
    },

    errorResponse: (error, request) => refusal(guardNow(), error, request),
  };
}

/** The proof that a request was checked. It shows nothing of itself when it is printed. */
class Verified implements VerifiedRequest {
  readonly #request: Request;
  readonly #admission: Admission;

  constructor(request: Request, admission: Admission) {
    this.#request = request;
    this.#admission = admission;
  }

  static admission(verified: VerifiedRequest): Admission {
    if (typeof verified === 'object' && verified !== null && #admission in verified) {
      return verified.#admission;
    }
    throw new TypeError('this is not what verifyRequest returned');
  }

  get request(): Request {
    return this.#request;
  }

  get peer(): Peer {
    return peerOf(this.#request) as Peer;
  }
}

async function admit(guard: Guard, request: Request, strict: boolean | undefined): Promise<Admission> {
  if (admitted.has(request)) {
    throw new NenError('ISO-9000', { detail: 'this request is protected twice: once is enough' });
  }
  const incoming = incomingOf(request);
  const exchange = await guard.admit(incoming, strict);
  letIn(request, exchange);
  return { guard, exchange, incoming };
}

async function open({ guard, exchange }: Admission, request: Request): Promise<Buffer | null> {
  const body = await readBody(request, exchange.maxBody, () => exchange.refuseLongBody());
  return guard.open(exchange, body);
}

/** The JSON that the core has opened, and found to be JSON. */
function parse(json: Buffer | null): unknown {
  return json === null ? null : JSON.parse(json.toString());
}

async function callApplication(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    throw new ApplicationError(error);
  }
}

function refusal(guard: Guard, error: unknown, request: Request): Response {
  const incoming = incomingOf(request);
  const answer =
    error instanceof ApplicationError
      ? guard.handlerFailed(error.thrown, incoming)
      : guard.refuse(error, incoming);
  return wholeResponse(request.method, answer);
}

function notFound({ method }: Request): Response {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  return new Response(method === 'HEAD' ? null : 'Not Found', { status: 404, headers });
}

/** The request as an application behind nen sees it: a plain one, of JSON. */
function openedRequest(request: Request, body: Buffer | null): Request {
  const headers = new Headers(request.headers);
  for (const name of hiddenHeaders) headers.delete(name);
  if (body !== null) {
    headers.set('content-type', binding.JSON_CONTENT_TYPE);
    headers.set('content-length', String(body.length));
  }
  // The signature covers the method in upper case, whatever case it travels in.
  const method = request.method.toUpperCase();
  return new Request(request.url, { method, headers, body, signal: request.signal });
}

function incomingOf({ method, url, headers }: Request): Incoming {
  const signed: string[] = [];
  for (const name of signedHeaders) {
    const value = headers.get(name);
    if (value !== null) signed.push(name, value);
  }
  return { method, target: pathOf(url), headers: signed };
}

/** The path as it is in the URL: what is checked must be what is routed by, which a parser might make different. */
function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const end = url.indexOf('?', start);
  return start < 0 ? '/' : url.slice(start, end < 0 ? undefined : end);
}

function strictOf(guardNow: () => Guard, options: ProtectOptions = {}): boolean | undefined {
  const unknown = Object.keys(options).filter((name) => name !== 'strict');
  if (unknown.length > 0) throw new TypeError(`there is no option ${unknown.join(', ')}`);
  const { strict } = options;
  if (strict !== undefined && typeof strict !== 'boolean')
    throw new TypeError('strict must be true or false');
  // As it is set up, and not at the first request: nonces that were used before must be remembered, too.
  if (strict === false) guardNow().allowUnsigned();
  return strict;
}

function mustBeFunction(handler: unknown): void {
  if (typeof handler !== 'function') throw new TypeError('the handler must be a function');
}
