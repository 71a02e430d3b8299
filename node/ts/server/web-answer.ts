// What an application answers, as a sealed `Response`.

import { type Answer, binding, type Exchange } from '../binding.js';
import type { Guard } from './guard.js';
import type { Incoming } from './incoming.js';
import { collect } from './web-body.js';
import { letGo, type Source, sealedStream, sourceOf } from './web-stream.js';

const hiddenHeaders = binding.hiddenAnswerHeaders();
const streamHeaders = binding.streamHeaders();

/** A request that was let in, and what lets its answer out. */
export interface Admission {
  readonly guard: Guard;
  readonly exchange: Exchange;
  readonly incoming: Incoming;
}

/** What the application threw, whatever it is: also a {@link NenError} is its own affair. */
export class ApplicationError extends Error {
  readonly thrown: unknown;

  constructor(thrown: unknown) {
    super("the application's handler failed");
    this.thrown = thrown;
  }
}

/** Seals a value, or a `Response`. Errors: ISO-9000, ISO-4002, {@link ApplicationError}. */
export async function sealResult(to: Admission, result: unknown, init: ResponseInit = {}): Promise<Response> {
  if (isResponse(result)) return sealResponse(to, result);
  const json = await attempt(() => JSON.stringify(result === undefined ? null : result));
  if (json === undefined) {
    throw new ApplicationError(new TypeError('the handler returned what JSON cannot hold'));
  }
  const { status = 200 } = init;
  const headers = await attempt(() => passing(init.headers));
  binding.formOfAnswer(status, binding.JSON_CONTENT_TYPE, null, null);
  const answer = await to.guard.seal(to.exchange, 'json', status, Buffer.from(json));
  return wholeResponse(to.incoming.method, answer, headers);
}

/** Seals a stream, or a `Response`, which is a stream if it tells of success. Errors: as {@link sealResult}. */
export async function sealChunks(to: Admission, result: unknown): Promise<Response> {
  if (isResponse(result)) return sealResponse(to, result, true);
  return stream(to, await attempt(() => sourceOf(result)), 200, new Headers());
}

/** An answer that is whole, sealed or not, and which no cache may keep. HEAD gets its headers alone. */
export function wholeResponse(
  method: string,
  { status, body }: Answer,
  headers: Headers = new Headers(),
  size: number | null = body.length,
): Response {
  headers.set('content-type', binding.JSON_CONTENT_TYPE);
  if (size !== null) headers.set('content-length', String(size));
  headers.set('cache-control', 'no-store');
  return new Response(isHead(method) ? null : body, { status, headers });
}

/**
 * Seals a `Response`, by the rule of the core, or as a stream if it tells of success and is to be one. Errors: as
 * {@link sealResult}.
 */
export async function sealResponse(to: Admission, response: unknown, isStream = false): Promise<Response> {
  if (!isResponse(response)) {
    throw new ApplicationError(new TypeError('the application answered with what is no Response'));
  }
  try {
    const { status, headers } = response;
    if (response.bodyUsed) throw new ApplicationError(new TypeError('the body of the Response was read'));
    // An application that answers HEAD tells of the body that it would send.
    const isUntold = isHead(to.incoming.method) && response.body === null;
    const isEmpty = response.body === null && !(isUntold && headers.has('content-type'));
    const contentLength = headers.get('content-length') ?? (isEmpty ? '0' : null);
    const form = binding.formOfAnswer(
      status,
      headers.get('content-type'),
      headers.get('content-encoding'),
      contentLength,
    );
    const kept = passing(headers);
    if (form === 'stream' || (isStream && response.ok)) {
      return stream(to, sourceOf(response.body ?? []), status, kept);
    }
    const answer = await to.guard.seal(to.exchange, form, status, await bodyOf(to, response));
    const size = isUntold ? binding.sealedSizeOfHead(form, contentLength) : answer.body.length;
    return wholeResponse(to.incoming.method, answer, kept, size);
  } catch (error) {
    if (response.body !== null) void letGo({ stop: () => response.body?.cancel() });
    throw error;
  }
}

async function bodyOf({ guard }: Admission, response: Response): Promise<Uint8Array> {
  if (response.body === null) return Buffer.alloc(0);
  const tooLong = () => {
    throw guard.answerTooLong();
  };
  return collect(response.body, guard.maxAnswer, tooLong, (error) => {
    throw new ApplicationError(error);
  });
}

function stream(
  { guard, exchange, incoming }: Admission,
  source: Source,
  status: number,
  headers: Headers,
): Response {
  const sealer = exchange.stream();
  for (const [name, value] of streamHeaders) headers.set(name, value);
  headers.set(binding.STREAM_NONCE_HEADER, sealer.nonceHeader);
  // These forbid a body.
  const init = { status: status === 204 || status === 205 ? 200 : status, headers };
  if (isHead(incoming.method)) {
    void letGo(source);
    return new Response(null, init);
  }
  const failed = (error: unknown) => guard.handlerFailed(error, incoming);
  return new Response(sealedStream(source, sealer, guard.maxChunk, failed), init);
}

/** A framework may have put a class of its own in the place of `Response`, so that instanceof would not do. */
function isResponse(value: unknown): value is Response {
  return (
    (value as { [Symbol.toStringTag]?: unknown } | null | undefined)?.[Symbol.toStringTag] === 'Response'
  );
}

function passing(headers: ResponseInit['headers']): Headers {
  const kept = new Headers(headers);
  for (const name of hiddenHeaders) kept.delete(name);
  return kept;
}

/** Runs what the application has a part in. */
async function attempt<T>(run: () => T): Promise<Awaited<T>> {
  try {
    return await run();
  } catch (error) {
    throw new ApplicationError(error);
  }
}

function isHead(method: string): boolean {
  return method.toUpperCase() === 'HEAD';
}
