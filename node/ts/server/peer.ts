// Who sent a protected request.

import { binding, type Exchange } from '../binding.js';

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

const exchanges = new WeakMap<object, Exchange>();

/**
 * Who sent a request that was let in: the `Request`, `IncomingMessage`, Express or Fastify request that the handler got.
 * Undefined for any other.
 */
export function peerOf(request: object): Peer | undefined {
  const exchange = exchanges.get(request);
  if (exchange === undefined) return undefined;
  const { sessionId, identity } = exchange;
  return { sessionId, identity: identity ?? undefined, protocol: binding.PROTOCOL };
}

/** Records that a request was let in. Errors: TypeError if it was already. */
export function letIn(request: object, exchange: Exchange): void {
  if (exchanges.has(request)) throw new TypeError('this request is protected twice: once is enough');
  exchanges.set(request, exchange);
}
