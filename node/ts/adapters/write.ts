// The arguments of `ServerResponse.write` and `end`.

import { isUint8Array } from 'node:util/types';

export type Callback = (error?: Error | null) => void;
type Encoding = BufferEncoding | null | undefined;

export type WriteArguments = [chunk: unknown, encoding?: Encoding | Callback, callback?: Callback];
export type EndArguments = [chunk?: unknown, encoding?: Encoding | Callback, callback?: Callback];

/** Chunk, encoding and callback, the first two of which may be missing. */
export function endArguments([chunk, encoding, callback]: EndArguments): [unknown, Encoding, Callback?] {
  if (typeof chunk === 'function') return [undefined, undefined, chunk as Callback];
  if (typeof encoding === 'function') return [chunk, undefined, encoding];
  return typeof callback === 'function' ? [chunk, encoding, callback] : [chunk, encoding];
}

/** Throws TypeError for what cannot be written. */
export function bytesOf(chunk: unknown, encoding: Encoding | Callback): Uint8Array {
  if (typeof chunk === 'string') {
    return Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8');
  }
  if (isUint8Array(chunk)) return chunk;
  const error = new TypeError(
    'The "chunk" argument must be of type string or an instance of Buffer or Uint8Array',
  );
  throw Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' });
}
