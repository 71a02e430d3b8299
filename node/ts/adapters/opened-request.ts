// The request behind a protected one: its raw body, and what the application sees of it.

import { type IncomingHttpHeaders, IncomingMessage, type ServerResponse } from 'node:http';
import { binding } from '../binding.js';
import { Collected } from '../collected.js';
import { NenError } from '../error.js';

const HIDDEN = new Set(binding.hiddenRequestHeaders());
const NO_BODY = Buffer.alloc(0);

/**
 * Reads the body as it came, of which `headers` tell; null if the client went away. `refuseLong` throws the error for
 * one of more than `limit` bytes, of which no more is read. The rest of it is still on its way then.
 */
export async function readBody(
  request: IncomingMessage,
  headers: IncomingHttpHeaders,
  limit: number,
  refuseLong: () => void,
): Promise<Buffer | null> {
  const declared = headers['content-length'];
  if (headers['transfer-encoding'] === undefined && (declared === undefined || Number(declared) === 0)) {
    return NO_BODY;
  }
  if (isTaken(request)) {
    const detail = "the request's body was read before nen saw it: put nen in front of body parsers";
    throw new NenError('ISO-9000', { detail });
  }
  if (request.destroyed) return null;
  if (Number(declared) > limit) refuseLong();
  return new Promise((resolve, reject) => {
    const body = new Collected();
    const settle = (how: () => void) => {
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      how();
    };
    // A refusal goes out while the rest arrives: a `for await` that is left would have destroyed the socket.
    const onData = (piece: Buffer) => {
      if (body.length + piece.length <= limit) return body.add(piece);
      settle(() => {
        try {
          refuseLong();
        } catch (error) {
          reject(error);
        }
      });
    };
    const onEnd = () => settle(() => resolve(body.bytes()));
    const onGone = () => settle(() => resolve(null));
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);
    request.resume();
  });
}

/** Whether somebody has read the body, or is about to. */
function isTaken(request: IncomingMessage): boolean {
  return (
    request.readableDidRead ||
    request.readableEnded ||
    request.readableFlowing === true ||
    request.readableEncoding !== null ||
    request.listenerCount('data') + request.listenerCount('readable') > 0
  );
}

/** Gives a request the headers of another one, or its own, without those that are not for the application. */
export function hideHeaders(request: IncomingMessage, from = request): void {
  const { headers, rawHeaders } = from;
  request.headers = withoutHidden(headers);
  request.rawHeaders = rawHeaders.filter((_, i) => !HIDDEN.has((rawHeaders[i & ~1] as string).toLowerCase()));
  request.headersDistinct = distinct(request.rawHeaders);
}

/** `headersDistinct`. Not asked of Node, of which many versions throw at a header that is named `__proto__`. */
function distinct(rawHeaders: string[]): Record<string, string[]> {
  const headers = Object.create(null) as Record<string, string[]>;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    headers[name] ??= [];
    headers[name].push(rawHeaders[at + 1] as string);
  }
  return headers;
}

/** Says in the headers what the plain body is. */
export function describeBody(request: IncomingMessage, json: Uint8Array): void {
  const ofTheBody = { 'content-type': binding.JSON_CONTENT_TYPE, 'content-length': String(json.length) };
  for (const [name, value] of Object.entries(ofTheBody)) {
    request.headers[name] = value;
    request.headersDistinct[name] = [value];
    request.rawHeaders.push(name, value);
  }
}

/** A request of its own for the application: the same connection and address, the plain body. */
export function plainRequest(
  original: IncomingMessage,
  response: ServerResponse,
  json: Buffer | null,
): IncomingMessage {
  const request = new IncomingMessage(original.socket);
  request.method = original.method as string;
  request.url = original.url as string;
  request.httpVersion = original.httpVersion;
  request.httpVersionMajor = original.httpVersionMajor;
  request.httpVersionMinor = original.httpVersionMinor;
  hideHeaders(request, original);
  request.complete = true;
  if (json) {
    describeBody(request, json);
    request.push(json);
  }
  request.push(null);
  // As with any request: unread bytes go when the answer is there, and a client that goes away ends it.
  response.once('close', () => {
    if (original.socket.destroyed && !request.readableEnded) request.destroy(aborted());
    else request.resume();
  });
  return request;
}

function aborted(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
}

function withoutHidden<T extends object>(headers: T): T {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HIDDEN.has(name))) as T;
}
