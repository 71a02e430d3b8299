// Bodies: the plaintext of a request, and answers as they arrive.

import { Collected } from '../collected.js';

/** Reads the body of a request to bytes, so that it can be sealed more than once. `undefined` without a body. */
export async function readBody(
  body: RequestInit['body'],
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (body === null || body === undefined) return undefined;
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return new Uint8Array(body); // The caller may change its own meanwhile.
  // `Response` reads whatever else fetch can send.
  const source = bodyOf(new Response(body));
  return source ? joined(chunksOf(source, signal), () => {}) : new Uint8Array();
}

/** The body of an answer. */
export interface AnswerBody {
  /** The next bytes; `undefined` at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Ends the transport, and a `next` that waits. */
  cancel(): void;
}

/** The body of what any implementation of fetch hands over; null if it has none. */
export function bodyOf(response: Response): AnswerBody | null {
  // node-fetch has a stream of Node's here.
  const body = response.body as ReadableStream<unknown> | NodeStream | null | undefined;
  if (response.bodyUsed) throw new TypeError('the fetch implementation has read the body: pass on a clone');
  if (body === null) return null;
  if (typeof body === 'object' && 'getReader' in body) return webBody(body);
  if (typeof body === 'object' && Symbol.asyncIterator in body) return nodeBody(body);
  throw new TypeError('the fetch implementation gives no response.body that can be read as it arrives');
}

/** Ends an answer whose body nobody reads. */
export function discard(response: Response): void {
  try {
    bodyOf(response)?.cancel();
  } catch {
    // It was read already, or cannot be.
  }
}

/** The bytes of a body as they arrive. Leaving the loop, or aborting, cancels the transport at once. */
export async function* chunksOf(
  body: AnswerBody,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const cancel = () => body.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    signal?.throwIfAborted();
    for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) {
      signal?.throwIfAborted();
      yield chunk;
    }
    signal?.throwIfAborted();
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    body.cancel();
  }
}

/** All chunks as one. `check` is told how many bytes there are, before more are taken. */
export async function joined(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  check: (bytes: number) => void,
): Promise<Buffer> {
  const collected = new Collected();
  for await (const chunk of source) {
    check(collected.length + chunk.length);
    collected.add(chunk);
  }
  return collected.bytes();
}

function webBody(stream: ReadableStream<unknown>): AnswerBody {
  const reader = stream.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      return done ? undefined : bytesOf(value);
    },
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

interface NodeStream extends AsyncIterable<unknown> {
  destroy?(): void;
}

function nodeBody(stream: NodeStream): AnswerBody {
  const iterator = stream[Symbol.asyncIterator]();
  return {
    async next() {
      const { done, value } = await iterator.next();
      return done ? undefined : bytesOf(value);
    },
    cancel: () => stream.destroy?.(),
  };
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  throw new TypeError('the body is a stream of something else than bytes');
}
