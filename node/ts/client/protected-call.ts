// One request to a protected endpoint, over as many attempts as the protocol allows.

import { binding, type CallOutcome, type NativeCall, type StreamOpener } from '../binding.js';
import { NenError } from '../error.js';
import { readBody } from './body.js';
import type { Connection } from './connection.js';
import { attemptHeaders, callerHeaders } from './headers.js';
import { isStream } from './response.js';

/**
 * Payloads of more bytes than this are sealed and opened on the thread pool. Up to here the work keeps the event loop
 * for less than 0.2 ms, and going to the pool and back (20 to 30 µs and a copy) is not worth it.
 */
const BACKGROUND_BYTES = 64 * 1024;

export class ProtectedCall {
  readonly url: URL;
  readonly method: string;
  readonly signal: AbortSignal | undefined;
  readonly #connection: Connection;
  readonly #call: NativeCall;
  readonly #init: RequestInit;
  readonly #headers: Headers;
  readonly #body: Uint8Array | undefined;
  #sessionId = '';

  private constructor(
    connection: Connection,
    url: URL,
    init: RequestInit,
    headers: Headers,
    body: Uint8Array | undefined,
  ) {
    this.url = url;
    this.method = (init.method ?? 'GET').toUpperCase();
    this.signal = init.signal ?? undefined;
    this.#connection = connection;
    this.#call = connection.client.call(this.method, url.pathname);
    this.#init = init;
    this.#headers = headers;
    this.#body = body;
  }

  static async begin(
    connection: Connection,
    path: string | URL,
    callerInit: RequestInit,
    signal: AbortSignal | null | undefined,
  ): Promise<ProtectedCall> {
    // What it holds are no members of its own: it would be sent as a GET without a body.
    if (Object.prototype.toString.call(callerInit) === '[object Request]') {
      throw new TypeError('the second argument must be no Request: name its method, headers and body');
    }
    const init = { ...callerInit, signal: signal ?? null }; // As it is now, for all attempts.
    if (init.redirect === 'follow') {
      throw new TypeError("redirect: 'follow' is not possible: the signature is for one path of one server");
    }
    init.signal?.throwIfAborted();
    const [url, headers] = [connection.address.resolve(path), callerHeaders(init.headers)];
    const body = await readBody(init.body, init.signal ?? undefined);
    return new ProtectedCall(connection, url, init, headers, body);
  }

  /** Seals and sends an attempt. */
  async send(): Promise<Response> {
    if (this.#connection.lazy) await this.#connection.lifecycle.connect(this.signal);
    this.signal?.throwIfAborted();
    const body = this.#body;
    const sealed =
      body && body.length > BACKGROUND_BYTES
        ? await this.#call.sealInBackground(body, Date.now())
        : this.#call.seal(body ?? null, Date.now());
    this.#sessionId = sealed.sessionId;
    const headers = attemptHeaders(this.#headers, sealed.headers, sealed.body !== undefined);
    const init = { ...this.#init, method: this.method, headers, body: sealed.body ?? null };
    return this.#connection.transport.send(this.url, init);
  }

  /** Reads the answer to the last attempt. */
  open(response: Response, body: Uint8Array): CallOutcome | Promise<CallOutcome> {
    const date = response.headers.get('date');
    return body.length > BACKGROUND_BYTES
      ? this.#call.openInBackground(response.status, date, body, Date.now())
      : this.#call.open(response.status, date, body, Date.now());
  }

  /** Opens the stream in the answer to the last attempt. */
  openStream(response: Response): StreamOpener {
    try {
      return this.#call.openStream(response.headers.get(binding.STREAM_NONCE_HEADER));
    } catch (error) {
      if (!(error instanceof NenError) || isStream(response)) throw error;
      throw new NenError(error.code, { detail: 'the endpoint answered with a whole body: use nenFetch' });
    }
  }

  /** Does what an outcome asks for before the next attempt. */
  async prepareNext(outcome: CallOutcome): Promise<void> {
    const { address, client, events, lifecycle } = this.#connection;
    if (outcome.kind === 'reestablish') await lifecycle.reestablish(this.#sessionId, this.signal);
    // Else another call has replaced the session meanwhile.
    else if (this.#sessionId === client.sessionId) events.clockCorrected(`${address}`);
  }
}
