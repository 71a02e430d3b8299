// A server and its store, as one request after the other asks them.
//
// The core says what to ask a store, and takes its reply; here the asking is done, within a time limit. The store in this
// process's memory needs neither: it is asked in Rust.

import type { Answer, Endpoint, Exchange, NativeServer, Question } from '../binding.js';
import { NenError } from '../error.js';
import { unavailable } from '../stores/commands.js';
import { nameOf } from '../stores/failure.js';
import { nativeStores } from '../stores/native-stores.js';
import type { SessionStore } from '../stores/session-store.js';
import type { Incoming } from './incoming.js';

const METHODS = ['get', 'set', 'delete', 'claimNonce'] as const;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export class Storage {
  readonly store: SessionStore;
  readonly #memory;
  readonly #timeoutMs: number;

  constructor(store: SessionStore, timeoutMs: number) {
    const missing = METHODS.filter((name) => typeof store?.[name] !== 'function');
    if (missing.length > 0) {
      throw new TypeError(
        `store is no session store: it has no ${missing.join(', ')}. ` +
          'A client of Redis becomes one by new RedisSessionStore(client)',
      );
    }
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
      throw new TypeError(`storeTimeoutMs must be an integer from 1 to ${MAX_TIMEOUT_MS}`);
    }
    this.store = store;
    this.#memory = nativeStores.get(store);
    this.#timeoutMs = timeoutMs;
  }

  /** Checks a request. Errors: ISO-2003, ISO-2002, ISO-3005, ISO-3001 to ISO-3003, ISO-5001, ISO-5002, ISO-9001. */
  admit(server: NativeServer, { method, target, headers }: Incoming): Exchange | Promise<Exchange> {
    if (this.#memory) return server.admit(this.#memory, method, target, headers, Date.now());
    return this.#drive(server.beginAdmit(method, target, headers, Date.now()));
  }

  /** Answers a session endpoint. Errors: those of the endpoint, and ISO-9001. */
  async respond(
    server: NativeServer,
    endpoint: Endpoint,
    incoming: Incoming,
    body: Uint8Array,
  ): Promise<Answer> {
    const { method, target, headers } = incoming;
    if (this.#memory) {
      return server.respond(this.#memory, endpoint, method, target, headers, body, Date.now());
    }
    return this.#drive(await server.beginRespond(endpoint, method, target, headers, body, Date.now()));
  }

  async #drive<T>(call: StoreCall<T>): Promise<T> {
    for (let question = call.step(); question !== null; question = call.step()) {
      await call.resume(await this.#ask(question));
    }
    return call.result();
  }

  async #ask(question: Question): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(unavailable(`the session store did not reply within ${this.#timeoutMs} ms (storeTimeoutMs)`));
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([this.#put(question), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #put(question: Question): Promise<unknown> {
    const { store } = this;
    try {
      switch (question.method) {
        case 'get':
          return await store.get(question.sid);
        case 'set':
          return await store.set(question.sid, question.record, question.untilMs);
        case 'delete':
          return await store.delete(question.sid);
        case 'claimNonce':
          return await store.claimNonce(question.sid, question.nonce, question.untilMs);
      }
    } catch (error) {
      throw failureOf(error);
    }
  }
}

interface StoreCall<T> {
  step(): Question | null;
  resume(reply: unknown): void | Promise<void>;
  result(): T;
}

/** The failure of a store. What it threw is no cause of ours, since its text and members may quote a record. */
function failureOf(error: unknown): NenError {
  if (error instanceof NenError && (error.code === 'ISO-5002' || error.code === 'ISO-9001')) {
    return new NenError(error.code, error.detail === undefined ? {} : { detail: error.detail });
  }
  return unavailable(`the session store failed with ${nameOf(error)}`);
}
