// HTTP through fetch, failing closed: no redirect is followed, no body is read without a limit.

import { NenError } from '../error.js';
import { abortable } from './abortable.js';
import { bodyOf, chunksOf, discard, joined } from './body.js';

/** Any implementation of fetch. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export class Transport {
  readonly #fetch: Fetch;
  readonly #maxAnswer: number;

  constructor(fetch: Fetch, maxAnswer: number) {
    this.#fetch = fetch;
    this.#maxAnswer = maxAnswer;
  }

  /** Sends a request. Its signature is for this URL alone, so a redirect is an answer and not an instruction. */
  async send(url: URL, init: RequestInit): Promise<Response> {
    const sent = this.#start(url, { ...init, redirect: init.redirect ?? 'manual' });
    const response = await abortable(sent, init.signal).catch((error: unknown) => {
      sent.then(discard, () => {}); // An implementation that knows no signals may still answer.
      throw error;
    });
    const fault = faultOf(response);
    if (fault === undefined) return response;
    discard(response);
    throw new TypeError(fault);
  }

  /** Reads a body; a compressed one counts as decompressed. Errors: ISO-6001 if it is over the limit. */
  async read(response: Response, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const body = bodyOf(response);
    if (body === null) return new Uint8Array();
    return joined(chunksOf(body, signal), (bytes) => {
      if (bytes <= this.#maxAnswer) return;
      throw new NenError('ISO-6001', { detail: 'the answer has more bytes than maxAnswer allows' });
    });
  }

  /** Also an implementation that throws at once only rejects. */
  async #start(url: URL, init: RequestInit): Promise<Response> {
    return this.#fetch(url.href, init);
  }
}

/** Why a response cannot be that of the endpoint; `undefined` if it can. */
function faultOf(response: Response): string | undefined {
  if (typeof response?.headers?.get !== 'function' || !Number.isInteger(response.status)) {
    return 'the fetch implementation resolved with something that is no Response';
  }
  if (response.redirected) return 'fetch followed a redirect, although it was told not to';
  if (response.type === 'opaqueredirect') return 'the server answered with a redirect, which is not followed';
  if (response.status === 101) return 'the connection changed its protocol, which was not asked for';
  if (response.status < 200 || response.status > 999) {
    return `fetch hides the answer, or it is none: its status is ${response.status}, its type ${response.type}`;
  }
  return undefined;
}
