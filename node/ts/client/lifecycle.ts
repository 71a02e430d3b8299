// The life of a client's session: handshake, rotate, terminate, status.

import type { HeaderPairs, NativeClient } from '../binding.js';
import { NenError } from '../error.js';
import type { Events } from '../server/events.js';
import type { Address } from './address.js';
import { Flights } from './flights.js';
import { attemptHeaders } from './headers.js';
import { foreignResponse, isSuccess, NenHttpError } from './response.js';
import type { Transport } from './transport.js';

type Signal = AbortSignal | null | undefined;

interface Answer {
  response: Response;
  body: Uint8Array;
}

export class Lifecycle {
  readonly #client: NativeClient;
  readonly #transport: Transport;
  readonly #address: Address;
  readonly #prefix: string;
  readonly #events: Events;
  readonly #flights = new Flights();

  constructor(client: NativeClient, transport: Transport, address: Address, prefix: string, events: Events) {
    this.#client = client;
    this.#transport = transport;
    this.#address = address;
    this.#prefix = prefix;
    this.#events = events;
  }

  /** Exchanges keys. The first time is the one that calls may be waiting for. */
  async handshake(signal: Signal): Promise<void> {
    if (this.#client.sessionId === null) return this.reestablish(null, signal);
    return this.#flights.join('handshake', (shared) => this.#exchangeKeys(shared), signal);
  }

  /** Makes the first session. */
  async connect(signal: Signal): Promise<void> {
    if (this.#client.sessionId === null) await this.reestablish(null, signal);
  }

  /** Makes a new session in place of a lost one, or of none, unless that was done meanwhile. */
  async reestablish(lost: string | null, signal: Signal): Promise<void> {
    const reestablish = async (shared: AbortSignal) => {
      if (this.#client.sessionId !== lost) return;
      await this.#exchangeKeys(shared);
      if (lost !== null) this.#events.reestablished(`${this.#address}`);
    };
    return this.#flights.join(`reestablish ${lost}`, reestablish, signal);
  }

  async rotate(signal: Signal): Promise<void> {
    return this.#flights.join('rotate', (shared) => this.#call('rotate', shared), signal);
  }

  async terminate(signal: Signal): Promise<void> {
    const terminate = async (shared: AbortSignal) => {
      if (this.#client.sessionId !== null) await this.#call('terminate', shared);
    };
    return this.#flights.join('terminate', terminate, signal);
  }

  async status(signal: Signal): Promise<boolean> {
    signal?.throwIfAborted();
    return this.#client.sessionId !== null && this.#call('status', signal);
  }

  async #exchangeKeys(signal: Signal): Promise<void> {
    const handshake = await this.#client.handshake();
    try {
      const url = this.#url('handshake');
      const sent = this.#send(url, 'POST', [], handshake.body, signal);
      const answer = await sent.catch(keyExchangeFailed);
      const { response, body } = answer;
      withAnswer(url, answer, () => this.#client.establish(handshake, response.status, body, Date.now()));
    } finally {
      handshake.discard();
    }
  }

  async #call(action: 'rotate' | 'terminate' | 'status', signal: Signal): Promise<boolean> {
    const url = this.#url(action);
    const call = this.#client[action](url.pathname);
    for (;;) {
      const sealed = await call.seal(Date.now());
      const sent = this.#send(url, call.method, sealed.headers, sealed.body, signal);
      const answer = await (action === 'rotate' ? sent.catch(keyExchangeFailed) : sent);
      const { response, body } = answer;
      const date = response.headers.get('date');
      const outcome = withAnswer(url, answer, () => call.open(response.status, date, body, Date.now()));
      if (outcome.kind === 'done') return outcome.result ?? false;
      if (outcome.kind === 'reestablish') {
        await this.#exchangeKeys(signal);
        this.#events.reestablished(`${this.#address}`);
        return true;
      }
      this.#events.clockCorrected(`${this.#address}`);
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
    signal: Signal,
  ): Promise<Answer> {
    signal?.throwIfAborted();
    const headers = attemptHeaders(undefined, signed, body !== undefined);
    const response = await this.#transport.send(url, {
      method,
      headers,
      body: body ?? null,
      signal: signal ?? null,
    });
    return { response, body: await this.#transport.read(response, signal ?? undefined) };
  }
}

/** What is no error of the protocol means that the server could not be reached; an endless answer is no handshake. */
function keyExchangeFailed(cause: unknown): never {
  if (!(cause instanceof NenError)) throw new NenError('ISO-1003', { cause });
  throw cause.code === 'ISO-6001' ? new NenError('ISO-1004', { cause }) : cause;
}

/** Reads an answer; that it is no handshake has what came instead, such as a rate limit's 429, for a cause. */
function withAnswer<T>(url: URL, { response, body }: Answer, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const isRefusal = error instanceof NenError && error.code === 'ISO-1004' && !isSuccess(response);
    if (!isRefusal) throw error;
    const cause = new NenHttpError(foreignResponse(url, response, body));
    throw new NenError(error.code, { ...(error.detail !== undefined && { detail: error.detail }), cause });
  }
}
