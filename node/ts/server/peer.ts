// Who sent a protected request.

import { binding } from '../binding.js';
import { admitted } from './admitted.js';

/** Who sent a protected request. */
export interface Peer {
  /** The id of the session, a UUIDv4. Whoever knows it can end the session: keep it out of logs. */
  readonly sessionId: string;
  /**
   * The ML-DSA-65 key that signed the handshake, DER SubjectPublicKeyInfo, if one did. Only a request with a body shows
   * who is there now.
   */
  readonly identity: Uint8Array | undefined;
  /** The protocol and its version. */
  readonly protocol: string;
}

/**
 * Who sent a request that was let in: the `Request`, `IncomingMessage`, Express or Fastify request that the handler got.
 * Undefined for any other.
 */
export function peerOf(request: object): Peer | undefined {
  const exchange = admitted.get(request);
  if (exchange === undefined) return undefined;
  const { sessionId, identity } = exchange;
  return { sessionId, identity: identity ?? undefined, protocol: binding.PROTOCOL };
}
