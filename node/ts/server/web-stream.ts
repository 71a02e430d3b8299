// Streams of an application, sealed chunk by chunk.

import type { StreamSealer } from '../binding.js';
import { NenError } from '../error.js';

/** Where the chunks of a stream come from. */
export interface Source {
  next(): unknown;
  /** Ends it before its end, also while it is waited for. */
  stop(): unknown;
}

const NOTHING = new Uint8Array();

/** What a handler returned, as a source. Errors: TypeError for what is no stream of chunks. */
export function sourceOf(chunks: unknown): Source {
  if (hasMethod(chunks, 'getReader')) {
    const reader = (chunks as ReadableStream).getReader();
    return { next: () => reader.read(), stop: () => reader.cancel() };
  }
  // Text and bytes can be iterated over, too, but are no streams.
  const isWhole = typeof chunks === 'string' || ArrayBuffer.isView(chunks);
  const iterate = isWhole
    ? undefined
    : (methodOf(chunks, Symbol.asyncIterator) ?? methodOf(chunks, Symbol.iterator));
  if (iterate === undefined) {
    throw new TypeError(
      `a handler of withNenStream must return an async iterable, an iterable, a ReadableStream or a Response, not ${kindOf(chunks)}`,
    );
  }
  const iterator = iterate.call(chunks) as AsyncIterator<unknown> | Iterator<unknown>;
  return {
    next: () => iterator.next(),
    stop: () => {
      // An iterator of a Node stream that waits takes no return(); the stream itself takes its end.
      if (hasMethod(chunks, 'destroy')) (chunks as { destroy(): void }).destroy();
      return iterator.return?.();
    },
  };
}

/** Ends a source that nobody reads. What it throws is nobody's. */
export async function letGo(source: { stop(): unknown }): Promise<void> {
  try {
    await source.stop();
  } catch {
    // It is over.
  }
}

/**
 * Seals what a source yields, at the pace of the reader. A failure goes to `failed`, and breaks the stream off, which the
 * client sees as truncated.
 */
export function sealedStream(
  source: Source,
  sealer: StreamSealer,
  maxChunk: number,
  failed: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  let rest: Uint8Array = NOTHING;
  let isCancelled = false;

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    try {
      // An empty chunk says nothing, and is not sent.
      while (rest.length === 0) {
        const { done, value } = (await source.next()) as IteratorResult<unknown>;
        if (isCancelled) return;
        if (done) {
          controller.enqueue(sealer.finish());
          controller.close();
          return;
        }
        rest = bytesOf(value);
      }
      controller.enqueue(sealer.seal(rest.subarray(0, maxChunk)));
      rest = rest.subarray(maxChunk);
    } catch (error) {
      if (isCancelled) return;
      failed(error);
      // Of the cause, a server may tell more than it should.
      controller.error(new NenError('ISO-9000'));
      void letGo(source);
    }
  }

  async function cancel(): Promise<void> {
    isCancelled = true;
    rest = NOTHING;
    try {
      await source.stop();
    } catch (error) {
      failed(error);
    }
  }

  return new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}

function bytesOf(chunk: unknown): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (chunk instanceof Uint8Array) return chunk;
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError(`a chunk of a stream must be a string or bytes, not ${kindOf(chunk)}`);
}

type Method = (this: unknown) => unknown;

function methodOf(value: unknown, name: PropertyKey): Method | undefined {
  const method = (value as Record<PropertyKey, unknown> | null | undefined)?.[name];
  return typeof method === 'function' ? (method as Method) : undefined;
}

function hasMethod(value: unknown, name: PropertyKey): boolean {
  return methodOf(value, name) !== undefined;
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}
