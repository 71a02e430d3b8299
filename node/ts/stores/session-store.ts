// What a server needs of the place where its sessions are kept.

import { binding } from '../binding.js';

/**
 * How much longer than to the end that a claim names a store that several servers share must remember a nonce, in
 * milliseconds: a server whose clock is behind the one that claimed it takes its request for that much longer.
 */
export const REMOTE_CLOCK_SLACK_MS: number = binding.REMOTE_CLOCK_SLACK_MS;

/** A value now, or later. */
export type Awaitable<T> = T | PromiseLike<T>;

/**
 * Where a server keeps its sessions and used nonces. A method that throws, rejects or is late (`storeTimeoutMs`) has the
 * request answered with ISO-9001. `sid` is a UUIDv4 in lower case. A record is opaque JSON text. Without
 * the option `storeKeys` it holds the session's keys in the clear: whoever reads the store can read what is sealed.
 *
 * What each wrong answer costs:
 *
 * - `get` that returns a session after its end, or after `delete`: a terminated client is still let in.
 * - `get` that returns null for a live session: its client shakes hands again, needlessly; if the store is merely out of
 *   reach, every client does so at once. Throw instead.
 * - `claimNonce` that says true twice for one nonce: a recorded request is accepted a second time.
 * - `claimNonce` done as a look-up and then a write: the same, for two requests that race.
 */
export interface SessionStore {
  /** The record of a live session; null or undefined if there is none. */
  get(sid: string): Awaitable<string | null | undefined>;

  /** Keeps a record until `expiresMs`, in Unix milliseconds. */
  set(sid: string, record: string, expiresMs: number): Awaitable<unknown>;

  /** Removes a session; one that is not there is no error. */
  delete(sid: string): Awaitable<unknown>;

  /**
   * Takes a nonce of 12 bytes if nobody had, in one atomic step, and tells whether that was so. It is remembered until
   * `untilMs`, in Unix milliseconds, inclusive; a store that several servers share adds `REMOTE_CLOCK_SLACK_MS`. A claim
   * whose time has passed is not fresh. Nonces of one session are nothing to another. Throw `new NenError('ISO-5002')`
   * if no more nonces can be remembered.
   */
  claimNonce(sid: string, nonce: Uint8Array, untilMs: number): Awaitable<boolean>;
}
