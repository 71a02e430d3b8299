// What a client hands over as the answer to a protected request.

import { binding } from '../binding.js';

/** Whether the status is 2xx. */
export function isSuccess({ status }: Response): boolean {
  return status >= 200 && status <= 299;
}

/** Whether an answer means to be a stream; whether it is one, its nonce and its chunks show. */
export function isStream({ headers }: Response): boolean {
  const mediaType = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  return mediaType === binding.STREAM_CONTENT_TYPE || headers.get(binding.STREAM_NONCE_HEADER) !== null;
}

/** What a Response can be made with (RFC 9112, 4); what arrives may be anything, as UTF-8 in the words of a proxy. */
const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/;

interface Head {
  /** The HTTP status. */
  readonly status: number;
  readonly statusText: string;
  /** Whether the status is 2xx. */
  readonly ok: boolean;
  /** As they came; `Content-Length` and the like are those of the sealed body. */
  readonly headers: Headers;
  /** The URL that was asked. */
  readonly url: string;
}

/** An answer of the endpoint. Only `data` is authentic: the protocol does not seal status and headers. */
export interface SealedResponse<T> extends Head {
  readonly sealed: true;
  /** The decrypted JSON; `undefined` in the answer to HEAD, which has no body. */
  readonly data: T;
}

/** An answer outside the protocol, never 2xx: a proxy's 502, a redirect. Nothing of it is authentic. */
export interface ForeignResponse extends Head {
  readonly sealed: false;
  readonly data: undefined;
  /** The answer as fetch hands it over. */
  readonly response: Response;
}

export type NenResponse<T> = SealedResponse<T> | ForeignResponse;

export function sealedResponse<T>(url: URL, response: Response, json: string | undefined): SealedResponse<T> {
  return { ...head(url, response), sealed: true, data: json === undefined ? undefined : JSON.parse(json) };
}

export function foreignResponse(url: URL, response: Response, body: Uint8Array): ForeignResponse {
  const { status, statusText, headers } = response;
  const content = body.length > 0 && status !== 304 ? body : null;
  const init = { status, statusText: REASON_PHRASE.test(statusText) ? statusText : '', headers };
  // A Response cannot be made with every status (700 of a confused proxy): then it is the one that came, whose body was
  // read.
  const copy = status > 599 ? response : new Response(content, init);
  return { ...head(url, response), sealed: false, data: undefined, response: copy };
}

function head(url: URL, response: Response): Head {
  const { status, statusText, headers } = response;
  return { status, statusText, ok: isSuccess(response), headers, url: url.href };
}

/**
 * The answer to a `nenFetch` is not 2xx. That is no failure of the protocol: either the endpoint's own, decrypted
 * answer (a 404 or 422 of the application, `sealed`), or one by something in between (a proxy's 502, a redirect).
 */
export class NenHttpError extends Error {
  override readonly name = 'NenHttpError';
  // Private, so that whoever logs the error does not log what was decrypted.
  readonly #response: NenResponse<unknown>;

  constructor(response: NenResponse<unknown>) {
    const origin = response.sealed ? 'the endpoint' : 'something that is not the endpoint, or cannot seal,';
    super(`${origin} answered with HTTP status ${response.status}`);
    this.#response = response;
  }

  /** The HTTP status. */
  get status(): number {
    return this.#response.status;
  }

  /** Whether `data` is the endpoint's own answer. */
  get sealed(): boolean {
    return this.#response.sealed;
  }

  /** The decrypted JSON of a sealed answer. */
  // biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
  get data(): any {
    return this.#response.data;
  }

  /** The whole answer. */
  get response(): NenResponse<unknown> {
    return this.#response;
  }
}
