// Bodies, read to their end within a limit.

import { Collected } from '../collected.js';
import { NenError } from '../error.js';

const NOTHING = new Uint8Array();

/**
 * Bodies of no more bytes than this, by their Content-Length, which servers hold a client to, are read in one call: that
 * takes a fraction of the time, and keeps a list of the chunks, however small a client has cut them.
 */
const AT_ONCE = 64 * 1024;

/**
 * Reads a request's body as it arrived. `tooLong` throws the error for one of more than `limit` bytes. Errors: that one;
 * ISO-6001 if the client breaks off; ISO-9000 if somebody has read the body.
 */
export async function readBody(request: Request, limit: number, tooLong: () => void): Promise<Uint8Array> {
  if (request.method === 'GET' || request.method === 'HEAD') return NOTHING;
  if (request.bodyUsed) throw alreadyRead();
  const declared = request.headers.get('content-length');
  const length = declared !== null && /^\d+$/.test(declared) ? Number(declared) : undefined;
  if (length !== undefined && length > limit) tooLong();
  if (length !== undefined && length <= AT_ONCE) {
    const body = new Uint8Array(await request.arrayBuffer().catch(broken));
    if (body.length > limit) tooLong();
    return body;
  }
  const { body } = request;
  if (body === null) return NOTHING;
  if (body.locked) throw alreadyRead();
  return collect(body, limit, tooLong, broken);
}

function alreadyRead(): NenError {
  return new NenError('ISO-9000', {
    detail: 'the body of the request was read before nen could open it: no parser may come first',
  });
}

function broken(): never {
  throw new NenError('ISO-6001', { detail: 'the request broke off before the end of its body' });
}

/** Reads a stream of bytes to its end. `tooLong` and `fail` throw the errors for one that is longer, or fails. */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  limit: number,
  tooLong: () => void,
  fail: (error: unknown) => never,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const collected = new Collected();
  for (;;) {
    const { done, value } = await reader.read().catch(fail);
    if (done) return collected.bytes();
    if (!ArrayBuffer.isView(value)) fail(new TypeError('the body holds a chunk that is no bytes'));
    if (collected.length + value.length > limit) {
      reader.cancel().catch(() => {});
      tooLong();
    }
    collected.add(value);
  }
}
