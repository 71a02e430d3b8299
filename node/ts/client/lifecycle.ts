// The life of a client's session: handshake, rotate, terminate, status.

import { binding, type HeaderPairs, type NativeClient } from '../binding.js';
import { NenError } from '../error.js';
import type { Address } from './address.js';
import type { Transport } from './transport.js';

interface Answer {
  response: Response;
  body: Uint8Array;
}

/** Changes of the session are made one after the other; equal ones that are under way at the same time are one. */
export class Lifecycle {
  readonly #client: NativeClient;
  readonly #transport: Transport;
  readonly #address: Address;
  readonly #prefix: string;
  readonly #pending = new Map<string, Promise<void>>();
  #last: Promise<void> = Promise.resolve();

  constructor(client: NativeClient, transport: Transport, address: Address, prefix: string) {
    this.#client = client;
    this.#transport = transport;
    this.#address = address;
    this.#prefix = prefix;
  }

  handshake(): Promise<void> {
    return this.#change('handshake', () => this.#exchangeKeys());
  }

  /** Makes a new session in place of the one that the server no longer has, unless that was done meanwhile. */
  reestablish(sessionId: string): Promise<void> {
    return this.#change(sessionId, async () => {
      if (this.#client.sessionId === sessionId) await this.#exchangeKeys();
    });
  }

  rotate(): Promise<void> {
    return this.#change('rotate', () => this.#call('rotate').then(noResult));
  }

  terminate(): Promise<void> {
    return this.#change('terminate', async () => {
      if (this.#client.sessionId !== null) await this.#call('terminate');
    });
  }

  async status(signal: AbortSignal | undefined): Promise<boolean> {
    return this.#client.sessionId !== null && this.#call('status', signal);
  }

  #change(key: string, change: () => Promise<void>): Promise<void> {
    const pending = this.#pending.get(key);
    if (pending) return pending;
    const started = this.#last.then(change).finally(() => this.#pending.delete(key));
    this.#pending.set(key, started);
    this.#last = started.catch(() => {});
    return started;
  }

  async #exchangeKeys(): Promise<void> {
    const handshake = await this.#client.handshake();
    try {
      const url = this.#url('handshake');
      const { response, body } = await this.#send(url, 'POST', [], handshake.body).catch(keyExchangeFailed);
      this.#client.establish(handshake, response.status, body, Date.now());
    } finally {
      handshake.discard();
    }
  }

  async #call(action: 'rotate' | 'terminate' | 'status', signal?: AbortSignal): Promise<boolean> {
    const url = this.#url(action);
    const call = this.#client[action](url.pathname);
    for (;;) {
      const sealed = await call.seal(Date.now());
      const sent = this.#send(url, call.method, sealed.headers, sealed.body, signal);
      const { response, body } = await (action === 'rotate' ? sent.catch(keyExchangeFailed) : sent);
      const outcome = call.open(response.status, response.headers.get('date'), body, Date.now());
      if (outcome.kind === 'done') return outcome.result ?? false;
      if (outcome.kind === 'reestablish') return this.#exchangeKeys().then(() => true);
    }
  }

  #url(action: string): URL {
    return this.#address.resolve(`${this.#prefix}/${action}`);
  }

  async #send(
    url: URL,
    method: string,
    signed: HeaderPairs,
    body: Uint8Array | undefined,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const headers = new Headers(signed);
    if (body) headers.set('content-type', binding.JSON_CONTENT_TYPE);
    const init = { method, headers, body: body ?? null, signal: signal ?? null };
    const response = await this.#transport.send(url, init);
    return { response, body: await this.#transport.read(response) };
  }
}

function noResult(): void {}

/** What is no error of the protocol means that the server could not be reached; an endless answer is no handshake. */
function keyExchangeFailed(cause: unknown): never {
  if (!(cause instanceof NenError)) throw new NenError('ISO-1003', { cause });
  throw cause.code === 'ISO-6001' ? new NenError('ISO-1004', { cause }) : cause;
}
