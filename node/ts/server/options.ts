// The options of a server.

import type { SessionStore } from '../stores/session-store.js';
import type { NenLog } from './events.js';

/** The options of `createNen`. Each is checked there. */
export interface NenOptions {
  /** Where sessions and used nonces are kept. Default: an `InMemorySessionStore`, which serves one process. */
  store?: SessionStore | undefined;
  /**
   * How long one question to the store may take, in milliseconds; then the request is answered with ISO-9001. Default:
   * 2,000. It does not concern an `InMemorySessionStore`.
   */
  storeTimeoutMs?: number | undefined;
  /**
   * The keys under which sessions' records are sealed in the store, each 32 bytes, or as text their base64, or the word
   * `plain`: records in the clear. The first one seals, all of them open. All servers of a store need the same keys; a
   * record that none opens is ISO-9001. The bytes may be wiped afterwards. What is no array, and a key that is
   * undefined, is refused. An `InMemorySessionStore` has no records to seal. Default: `['plain']`.
   */
  storeKeys?: readonly (string | Uint8Array)[];
  /** The path of the session endpoints, as this server sees it: below a mount point, with it. Default: `/api/nen`. */
  prefix?: string | undefined;
  /**
   * A path, percent-encoded, that a proxy in front takes away. Clients sign the path that they see. Default: none.
   */
  externalPrefix?: string | undefined;
  /** How long a session lives, in milliseconds. Default: one hour. */
  sessionTtlMs?: number | undefined;
  /** How far a request's timestamp may be from the clock, either way, in milliseconds. Default: 30,000. */
  windowMs?: number | undefined;
  /**
   * Most bytes of a request's sealed body; reading stops there (ISO-6001). Its JSON is parsed on the event loop, and can
   * be made to take long: allow what your handlers need. Default: 1 MiB.
   */
  maxBody?: number | undefined;
  /** Most bytes of an answer that is sealed whole; stream a longer one, which is ISO-9000 here. Default: 16 MiB. */
  maxAnswer?: number | undefined;
  /** Most bytes of one chunk of a stream; a longer one is sent as several. Default: 256 KiB. */
  maxChunk?: number | undefined;
  /** Whether requests without a signature are refused. Default: true. */
  strict?: boolean | undefined;
  /**
   * Whether a nonce is remembered until its session ends, and not for the window alone, at the cost of memory for each
   * request of a session's life. To be on where a server that is not strict shares the store, and where whoever read a
   * handshake shall not send a recorded body again. Default: false; on by itself once an endpoint of this server is not
   * strict.
   */
  noncesForSession?: boolean | undefined;
  /** Whether rotate, terminate and status must be signed. Default: false. */
  requireSignedLifecycle?: boolean | undefined;
  /**
   * `'optional'` (default), `'required'`, or the ML-DSA-65 public keys that may connect, each as DER
   * SubjectPublicKeyInfo.
   */
  identities?: 'optional' | 'required' | Iterable<Uint8Array> | undefined;
  /** Where events go. Default: warnings and errors, to the console. */
  log?: NenLog | undefined;
}
