// The options of a client.

import type { NenLog } from '../server/events.js';
import type { Identity } from './identity.js';
import type { Fetch } from './transport.js';

/** The options of a client. Each is checked when it is made. */
export interface NenClientOptions {
  /**
   * `'tls'` (default): the client has no identity of its own. `'pqc'`: it signs each handshake with an ML-DSA-65 key:
   * that of `identity`, or one that is drawn for this client.
   */
  identityMode?: 'tls' | 'pqc' | undefined;
  /** The client's long-lived key, as an {@link Identity} or its PKCS#8 bytes. Implies `identityMode: 'pqc'`. */
  identity?: Identity | Uint8Array | undefined;
  /** The implementation of fetch. It must not follow redirects. Default: the global one. */
  fetch?: Fetch | undefined;
  /** The path of the session endpoints under the base URL. Default: `/api/nen`. */
  prefix?: string | undefined;
  /**
   * Whether to learn the server's clock from its `Date` header when it finds ours wrong (ISO-3003). That header is not
   * authentic: whoever can change answers can make this client sign for another time. Default: true.
   */
  correctClock?: boolean | undefined;
  /** Most bytes of a whole answer, decompressed if it came compressed. Default: 16 MiB. */
  maxAnswer?: number | undefined;
  /** Most bytes of one opened chunk of a stream. Default: 8 MiB. */
  maxChunk?: number | undefined;
  /** Where events go. Default: warnings and errors, to the console. */
  log?: NenLog | undefined;
}
