// HTTP through fetch, failing closed: no redirect is followed, no body is read without a limit.

import { NenError } from '../error.js';

/** Any implementation of fetch. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export class Transport {
  readonly #fetch: Fetch;
  readonly #maxResponseBytes: number;

  constructor(fetch: Fetch, maxResponseBytes: number) {
    this.#fetch = fetch;
    this.#maxResponseBytes = maxResponseBytes;
  }

  /** Sends a request. Its signature is for this URL alone, so a redirect is an answer and not an instruction. */
  async send(url: URL, init: RequestInit): Promise<Response> {
    const response = await this.#fetch(url.href, { ...init, redirect: init.redirect ?? 'manual' });
    if (response.redirected) {
      await response.body?.cancel();
      throw new TypeError('fetch followed a redirect, although it was told not to');
    }
    return response;
  }

  /** Reads a body. Errors: ISO-6001 if it is over the limit. */
  async read(response: Response): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    // Leaving the loop early cancels the transport.
    for await (const chunk of response.body ?? []) {
      length += chunk.byteLength;
      if (length > this.#maxResponseBytes) {
        throw new NenError('ISO-6001', { detail: 'the answer is over maxResponseBytes' });
      }
      chunks.push(chunk);
    }
    return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length);
  }
}

/** Starts `work` and waits for it, or throws the signal's reason as soon as it is aborted; the work itself goes on. */
export async function abortable<T>(
  work: () => Promise<T>,
  signal: AbortSignal | null | undefined,
): Promise<T> {
  if (!signal) return work();
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
