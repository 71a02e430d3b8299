// Sessions in this process's memory.

import { binding, type MemoryStore } from '../binding.js';
import { nativeStores } from './native-stores.js';
import type { SessionStore } from './session-store.js';

/** The limits of an {@link InMemorySessionStore}. */
export interface InMemoryLimits {
  /** Most live sessions; a handshake beyond them is refused with ISO-9001. Default: 1,000,000. */
  maxSessions?: number;
  /** Most remembered nonces; a request beyond them is refused with ISO-5002. Default: 4,000,000. */
  maxNonces?: number;
  /** The same for one session. Default: 100,000. */
  maxNoncesPerSession?: number;
}

/**
 * Keeps sessions and used nonces in this process's memory: for development, and for a server of one process. Throws
 * TypeError for a limit that is none.
 */
export class InMemorySessionStore implements SessionStore {
  readonly #native: MemoryStore;

  constructor(limits: InMemoryLimits = {}) {
    this.#native = new binding.MemoryStore(limits);
    // A class that extends this one may do otherwise.
    if (new.target === InMemorySessionStore) nativeStores.set(this, this.#native);
  }

  get(sid: string): string | null {
    return this.#native.get(text('sid', sid), Date.now());
  }

  set(sid: string, record: string, expiresMs: number): void {
    this.#native.set(text('sid', sid), text('record', record), expiresMs, Date.now());
  }

  delete(sid: string): void {
    this.#native.delete(text('sid', sid));
  }

  claimNonce(sid: string, nonce: Uint8Array, untilMs: number): boolean {
    return this.#native.claimNonce(text('sid', sid), nonce, untilMs, Date.now());
  }

  /** How many sessions are kept, among them those that have ended and were not swept yet. */
  get sessions(): number {
    return this.#native.sessions;
  }

  /** How many nonces are remembered. */
  get nonces(): number {
    return this.#native.nonces;
  }

  /** Removes what has ended. The store does so by itself as it is used; a server that falls silent may call it. */
  sweep(): void {
    this.#native.sweep(Date.now());
  }
}

/** The error of the native module would quote what it was given, which may be a record. */
function text(name: string, value: string): string {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string`);
  return value;
}
