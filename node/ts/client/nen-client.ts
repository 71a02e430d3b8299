// The client of the usage guide.

import { binding, type NativeIdentity } from '../binding.js';
import { NenError } from '../error.js';
import { Address } from './address.js';
import { Identity } from './identity.js';
import { Lifecycle } from './lifecycle.js';
import { type Connection, ProtectedCall } from './protected-call.js';
import { foreignResponse, NenHttpError, type NenResponse, sealedResponse } from './response.js';
import { abortable, type Fetch, Transport } from './transport.js';

export interface NenClientOptions {
  /**
   * `'tls'` (default): the client has no identity of its own. `'pqc'`: it signs each handshake with an ML-DSA-65 key:
   * that of `identity`, or one that is drawn for this client.
   */
  identityMode?: 'tls' | 'pqc';
  /** The client's long-lived key, as an {@link Identity} or its PKCS#8 bytes. Implies `identityMode: 'pqc'`. */
  identity?: Identity | Uint8Array;
  /** The implementation of fetch. Default: the global one. */
  fetch?: Fetch;
  /** The path of the session endpoints under the base URL. Default: `/api/nen`. */
  prefix?: string;
  /** Whether to learn the server's clock from its `Date` header when it finds ours wrong (ISO-3003). Default: true. */
  correctClock?: boolean;
  /** Most bytes of an answer's body, streams aside. Default: 16 MiB. */
  maxResponseBytes?: number;
  /** Most bytes of one decrypted chunk of a stream. Default: 8 MiB. */
  maxChunkBytes?: number;
}

const DEFAULT_MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/** A client of one server: one session, shared by all calls. */
export class NenClient {
  /** The ML-DSA-65 key that signs this client's handshakes, if it has one. */
  readonly identity: Identity | undefined;
  readonly #connection: Connection;

  /** `baseUrl` is the server's origin, with a path if it is mounted under one; `''` is the origin of the page. */
  constructor(baseUrl: string | URL, options: NenClientOptions = {}) {
    const { prefix = binding.ENDPOINT_PREFIX, maxResponseBytes = DEFAULT_MAX_RESPONSE_BYTES } = options;
    if (!/^\/.*[^/]$/.test(prefix)) throw new TypeError('prefix must start with a slash and end without one');
    positive('maxResponseBytes', maxResponseBytes);
    if (options.maxChunkBytes !== undefined) positive('maxChunkBytes', options.maxChunkBytes);
    if (options.fetch !== undefined && typeof options.fetch !== 'function') {
      throw new TypeError('fetch must be a function');
    }
    this.identity = identityOf(options);
    const client = new binding.Client(
      {
        ...(options.correctClock !== undefined && { correctClock: options.correctClock }),
        ...(options.maxChunkBytes !== undefined && { maxChunk: options.maxChunkBytes }),
      },
      (this.identity as NativeIdentity | undefined) ?? null,
    );
    const address = new Address(baseUrl);
    const transport = new Transport(
      options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
      maxResponseBytes,
    );
    const lifecycle = new Lifecycle(client, transport, address, prefix);
    this.#connection = { client, transport, lifecycle, address };
  }

  /** The id of the current session; `undefined` before the handshake and after `terminate`. */
  get sessionId(): string | undefined {
    return this.#connection.client.sessionId ?? undefined;
  }

  /**
   * Exchanges keys with the server, once per session. Calls at the same time share one handshake, which goes on if only
   * some of them are aborted. Errors: ISO-1002, ISO-1003, ISO-1004, and what the server refuses it with.
   */
  async handshake({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await abortable(() => this.#connection.lifecycle.handshake(), signal);
  }

  /**
   * Replaces the session by a new one; requests in flight are answered under the old keys. A session that the server no
   * longer has is replaced by a handshake. If it fails, the old session stays. Errors: as `handshake`; ISO-2001 without
   * a session.
   */
  async rotate({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await abortable(() => this.#connection.lifecycle.rotate(), signal);
  }

  /** Ends the session, on the server and here. Without a session it does nothing. */
  async terminate({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await abortable(() => this.#connection.lifecycle.terminate(), signal);
  }

  /** Whether the server has a live session of this client. */
  async status({ signal }: { signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#connection.lifecycle.status(signal);
  }

  /**
   * Sends a request to a protected endpoint, as fetch does, with its JSON body sealed, and resolves with the decrypted
   * JSON of a 2xx answer (`undefined` for HEAD). Any other status throws {@link NenHttpError}, which has the decrypted
   * answer too; use {@link NenClient.request} to have it returned. Redirects are not followed.
   *
   * Errors: {@link NenError} for whatever the protocol refuses; what fetch throws if the server cannot be reached or the
   * request is aborted.
   */
  // biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
  async nenFetch<T = any>(path: string | URL, init: RequestInit = {}): Promise<T> {
    const response = await this.request<T>(path, init);
    if (!response.sealed || !response.ok) throw new NenHttpError(response);
    return response.data;
  }

  /** As {@link NenClient.nenFetch}, and resolves with status, headers and data, whatever the status. */
  // biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
  async request<T = any>(path: string | URL, init: RequestInit = {}): Promise<NenResponse<T>> {
    const call = await ProtectedCall.begin(this.#connection, path, init);
    for (;;) {
      const response = await call.send();
      const body = await this.#connection.transport.read(response);
      const outcome = await call.open(response, body);
      if (outcome.kind === 'answer') return sealedResponse(call.url, response, outcome.json);
      if (outcome.kind === 'foreign') return foreignResponse(call.url, response, body);
      await call.prepareNext(outcome);
    }
  }

  /**
   * Sends a request to a protected stream and yields its text, decrypted chunk by chunk as it arrives; characters that
   * are split between chunks are joined. Leaving the loop cancels the transport.
   *
   * Errors: ISO-7001, ISO-7002, ISO-7003 (the stream broke off: what was yielded is authentic, and not all), ISO-4001.
   */
  async *nenStream(path: string | URL, init: RequestInit = {}): AsyncGenerator<string, void, void> {
    const call = await ProtectedCall.begin(this.#connection, path, init);
    let response = await call.send();
    while (!response.ok || response.body === null) {
      const outcome = call.refuseStream(response, await this.#connection.transport.read(response));
      await call.prepareNext(outcome);
      response = await call.send();
    }
    const text = new TextDecoder('utf-8', { ignoreBOM: true });
    for await (const chunk of openChunks(call, response, response.body, init.signal)) {
      const piece = text.decode(chunk, { stream: true });
      if (piece !== '') yield piece;
    }
    const rest = text.decode();
    if (rest !== '') yield rest;
  }
}

/** The decrypted chunks of a stream, up to its end mark. */
async function* openChunks(
  call: ProtectedCall,
  response: Response,
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | null | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const opener = await cancelOnError(body, () => call.openStream(response));
  for await (const bytes of untilBroken(body, signal)) {
    opener.push(bytes);
    for (let chunk = opener.nextChunk(); chunk !== null; chunk = opener.nextChunk()) yield chunk;
    if (opener.finished) return;
  }
  opener.end();
}

/** The bytes of a transport; that it breaks is ISO-7003, like its end before the end mark. */
async function* untilBroken(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal | null | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* body;
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new NenError('ISO-7003', { detail: 'the transport broke', cause });
  }
}

async function cancelOnError<T>(body: ReadableStream<Uint8Array>, work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    await body.cancel().catch(() => {});
    throw error;
  }
}

function identityOf({ identity, identityMode }: NenClientOptions): Identity | undefined {
  if (identityMode !== undefined && identityMode !== 'tls' && identityMode !== 'pqc') {
    throw new TypeError("identityMode must be 'tls' or 'pqc'");
  }
  if (identity === undefined) return identityMode === 'pqc' ? Identity.generate() : undefined;
  if (identityMode === 'tls') throw new TypeError("an identity needs identityMode 'pqc'");
  if (identity instanceof Uint8Array) return Identity.fromPkcs8(identity);
  if (identity instanceof binding.Identity) return identity;
  throw new TypeError('identity must be an Identity or its PKCS#8 bytes');
}

function positive(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`${name} must be a positive integer`);
}
