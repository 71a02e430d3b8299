// Long-lived ML-DSA-65 identities of clients.

import { binding } from '../binding.js';
import { view } from '../view.js';

/** A client's long-lived ML-DSA-65 key pair (FIPS 204), which signs each handshake. */
export interface Identity {
  /** The public key, which servers see and may allow-list: DER SubjectPublicKeyInfo, 1,974 bytes. */
  readonly publicKey: Uint8Array;
  /** The secret key, to be stored safely: DER PKCS#8 in its seed form, 54 bytes. */
  toPkcs8(): Uint8Array;
}

export const Identity: {
  /** Draws a new key pair. Errors: ISO-1002. */
  generate(): Identity;
  /** Loads a secret key as {@link Identity.toPkcs8} wrote it. Errors: TypeError, ISO-3004. */
  fromPkcs8(der: Uint8Array): Identity;
} = Object.freeze({
  generate: () => binding.Identity.generate(),
  fromPkcs8: (der: Uint8Array) => binding.Identity.fromPkcs8(view('der', der)),
});
