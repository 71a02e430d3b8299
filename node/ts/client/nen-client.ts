// The client of the usage guide.

import { data, request, stream } from './calls.js';
import { type Connection, connectionTo } from './connection.js';
import type { Identity } from './identity.js';
import type { NenClientOptions } from './options.js';
import type { NenResponse } from './response.js';

/** What `handshake`, `rotate`, `terminate` and `status` take. */
export interface CallOptions {
  /** Aborts the call, which then throws the signal's reason. */
  signal?: AbortSignal | null | undefined;
}

/** A client of one server: one session, shared by all calls. */
export class NenClient {
  readonly #connection: Connection;

  /**
   * `baseUrl` is the server's origin, with a path if it is mounted under one; `''` is the origin of the page. Throws
   * `TypeError` for an option that cannot be.
   */
  constructor(baseUrl: string | URL, options: NenClientOptions = {}) {
    this.#connection = connectionTo(baseUrl, options, false);
  }

  /** The ML-DSA-65 key that signs this client's handshakes, if it has one. */
  get identity(): Identity | undefined {
    return this.#connection.identity;
  }

  /** The id of the current session; `undefined` before the handshake and after `terminate`. */
  get sessionId(): string | undefined {
    return this.#connection.client.sessionId ?? undefined;
  }

  /**
   * Exchanges keys with the server, once per session. Calls at the same time share one handshake, which goes on as long
   * as one of them is not aborted. Errors: ISO-1002, ISO-1003 if no answer comes, ISO-1004, and what the server refuses
   * it with.
   */
  async handshake({ signal }: CallOptions = {}): Promise<void> {
    await this.#connection.lifecycle.handshake(signal);
  }

  /**
   * Replaces the session by a new one; requests in flight are answered under the old keys. A session that the server no
   * longer has is replaced by a handshake. If it fails, the old session stays. Errors: as `handshake`; ISO-2001 without
   * a session.
   */
  async rotate({ signal }: CallOptions = {}): Promise<void> {
    await this.#connection.lifecycle.rotate(signal);
  }

  /**
   * Ends the session, on the server and here. Without a session it does nothing; if it fails, the session stays.
   * Errors: what the server refuses it with, for example ISO-9001, and what fetch throws.
   */
  async terminate({ signal }: CallOptions = {}): Promise<void> {
    await this.#connection.lifecycle.terminate(signal);
  }

  /**
   * Whether the server has a live session of this client. Errors: what the server refuses to tell it with, for example
   * ISO-9001, and what fetch throws.
   */
  async status({ signal }: CallOptions = {}): Promise<boolean> {
    return this.#connection.lifecycle.status(signal);
  }

  /**
   * Sends a request to a protected endpoint, as fetch does, with its JSON body sealed, and resolves with the decrypted
   * JSON of a 2xx answer (`undefined` for HEAD). Any other status throws {@link NenHttpError}, which has the decrypted
   * answer too; use {@link NenClient.request} to have it returned. Redirects are not followed.
   *
   * `path` begins with one slash and comes after the base URL; an absolute URL must be under that.
   *
   * Errors: {@link NenError} for whatever the protocol refuses; what fetch throws if the server cannot be reached; the
   * signal's reason if the request is aborted; `TypeError` for what cannot be sent.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
  async nenFetch<T = any>(path: string | URL, init: RequestInit = {}): Promise<T> {
    return data<T>(this.#connection, path, init);
  }

  /** As {@link NenClient.nenFetch}, and resolves with status, headers and data, whatever the status. */
  // biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
  async request<T = any>(path: string | URL, init: RequestInit = {}): Promise<NenResponse<T>> {
    return request<T>(this.#connection, path, init);
  }

  /**
   * Sends a request to a protected stream and yields its text, decrypted chunk by chunk as it arrives; characters that
   * are split between chunks are joined. It is sent when the first chunk is asked for. Leaving the loop, or `return()`
   * at any time, cancels the transport.
   *
   * Errors: ISO-7002 for an answer that is not 2xx, with a {@link NenHttpError} as its cause; ISO-7001 for one that is no
   * stream; ISO-7003 (the stream broke off: what was yielded is authentic, and not all); ISO-4001; ISO-6001 for a chunk
   * over the limit; and those of {@link NenClient.nenFetch}.
   */
  nenStream(path: string | URL, init: RequestInit = {}): AsyncGenerator<string, void, void> {
    return stream(this.#connection, path, init);
  }
}
