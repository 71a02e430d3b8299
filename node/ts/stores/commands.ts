// A session store in the commands of Redis, however they get there. The key names are the core's.

import { binding } from '../binding.js';
import { NenError } from '../error.js';
import { REMOTE_CLOCK_SLACK_MS, type SessionStore } from './session-store.js';

/** The commands, each resolving with what Redis replies. */
export interface RedisCommands {
  get(key: string): PromiseLike<unknown>;
  /** `SET key value PX lifeMs`, with `NX` if only a new key may be set. */
  set(key: string, value: string, lifeMs: number, isNew: boolean): PromiseLike<unknown>;
  del(key: string): PromiseLike<unknown>;
}

export class CommandStore implements SessionStore {
  readonly #commands: RedisCommands;
  readonly #service: string;

  constructor(service: string, commands: RedisCommands) {
    this.#service = service;
    this.#commands = commands;
  }

  /** The record of a live session; null if there is none. Errors: ISO-9001. */
  async get(sid: string): Promise<string | null> {
    return this.#text(await this.#commands.get(binding.recordKey(sid)));
  }

  /** Keeps a record until `expiresMs`, in Unix milliseconds. Errors: ISO-9001. */
  async set(sid: string, record: string, expiresMs: number): Promise<void> {
    const key = binding.recordKey(sid);
    const leftMs = expiresMs - Date.now();
    if (leftMs <= 0) return;
    if (!this.#isOk(await this.#commands.set(key, record, leftMs, false))) {
      throw unavailable(`${this.#service} did not keep the session`);
    }
  }

  /** Removes a session; one that is not there is no error. Errors: ISO-9001. */
  async delete(sid: string): Promise<void> {
    await this.#commands.del(binding.recordKey(sid));
  }

  /**
   * Takes a nonce of 12 bytes until `untilMs`, in Unix milliseconds, if nobody had, in one atomic step, and tells
   * whether that was so. Errors: ISO-9001.
   */
  async claimNonce(sid: string, nonce: Uint8Array, untilMs: number): Promise<boolean> {
    // Redis is told for how long, and not until when: of an end that has passed on its own clock it says OK, and keeps
    // nothing.
    const key = binding.nonceKey(sid, nonce);
    const leftMs = untilMs - Date.now();
    if (leftMs < 0) return false;
    // A client repeats a command whose answer was lost. That the nonce is then taken by ourselves is told by the token.
    const token = crypto.randomUUID();
    const life = leftMs + REMOTE_CLOCK_SLACK_MS;
    const isTaken =
      this.#isOk(await this.#commands.set(key, token, life, true)) ||
      this.#text(await this.#commands.get(key)) === token;
    // A client also keeps commands back while Redis is away. By then the nonce may have been used elsewhere, and
    // forgotten.
    return isTaken && Date.now() <= untilMs;
  }

  /** Reads a string, which a client may have left as bytes. */
  #text(reply: unknown): string | null {
    if (reply === null || typeof reply === 'string') return reply;
    if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
    throw unavailable(`${this.#service} replied with ${typeof reply}, where a string or nothing belongs`);
  }

  #isOk(reply: unknown): boolean {
    const text = this.#text(reply);
    if (text !== null && text !== 'OK') {
      throw unavailable(`${this.#service} replied to SET with neither OK nor nothing`);
    }
    return text !== null;
  }
}

export function unavailable(detail: string): NenError {
  return new NenError('ISO-9001', { detail });
}
