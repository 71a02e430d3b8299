// One request to a protected endpoint, over as many attempts as the protocol allows.

import {
  binding,
  type CallOutcome,
  type NativeCall,
  type NativeClient,
  type StreamOpener,
} from '../binding.js';
import type { Address } from './address.js';
import { readBody } from './body.js';
import type { Lifecycle } from './lifecycle.js';
import { abortable, type Transport } from './transport.js';

/**
 * Payloads of more bytes than this are sealed and opened on the thread pool. Up to here the work keeps the event loop
 * for less than 0.2 ms, and going to the pool and back (20 to 30 µs and a copy) is not worth it.
 */
const BACKGROUND_BYTES = 64 * 1024;

export interface Connection {
  readonly client: NativeClient;
  readonly transport: Transport;
  readonly lifecycle: Lifecycle;
  readonly address: Address;
}

export class ProtectedCall {
  readonly url: URL;
  readonly #connection: Connection;
  readonly #call: NativeCall;
  readonly #method: string;
  readonly #init: RequestInit;
  readonly #body: Uint8Array | undefined;
  #sessionId = '';

  private constructor(connection: Connection, url: URL, init: RequestInit, body: Uint8Array | undefined) {
    this.url = url;
    this.#connection = connection;
    this.#method = (init.method ?? 'GET').toUpperCase();
    this.#call = connection.client.call(this.#method, url.pathname);
    this.#init = init;
    this.#body = body;
  }

  static async begin(connection: Connection, path: string | URL, init: RequestInit): Promise<ProtectedCall> {
    if (init.redirect === 'follow') {
      throw new TypeError("redirect: 'follow' is not possible: the signature is for one path of one server");
    }
    init.signal?.throwIfAborted();
    return new ProtectedCall(connection, connection.address.resolve(path), init, await readBody(init.body));
  }

  /** Seals and sends an attempt. */
  async send(): Promise<Response> {
    this.#init.signal?.throwIfAborted();
    const body = this.#body;
    const sealed =
      body && body.length > BACKGROUND_BYTES
        ? await this.#call.sealInBackground(body, Date.now())
        : this.#call.seal(body ?? null, Date.now());
    this.#sessionId = sealed.sessionId;
    const headers = new Headers(this.#init.headers);
    headers.delete('content-length');
    if (sealed.body) headers.set('content-type', binding.JSON_CONTENT_TYPE);
    for (const [name, value] of sealed.headers) headers.set(name, value);
    const init = { ...this.#init, method: this.#method, headers, body: sealed.body ?? null };
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
    return this.#call.openStream(response.headers.get(binding.STREAM_NONCE_HEADER));
  }

  /** Reads an answer to the last attempt that is no stream. */
  refuseStream(response: Response, body: Uint8Array): CallOutcome {
    return this.#call.refuseStream(response.status, response.headers.get('date'), body, Date.now());
  }

  /** Does what an outcome asks for before the next attempt. */
  async prepareNext(outcome: CallOutcome): Promise<void> {
    if (outcome.kind !== 'reestablish') return;
    await abortable(() => this.#connection.lifecycle.reestablish(this.#sessionId), this.#init.signal);
  }
}
