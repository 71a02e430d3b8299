/// <reference lib="esnext.disposable" preserve="true" />
// `@withnen/native/core-crypto`: the primitives one by one, in the shape of the WebAssembly module that they stand in for.

import { binding } from './binding.js';
import './error.js';
import { view } from './view.js';

/** What wasm-bindgen's objects have beside their getters: memory that is wiped when told to. */
export interface Freeable {
  /** Wipes what this object holds. Arrays that its getters gave out are copies, and stay. */
  free(): void;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

/** A key pair. Every getter gives a fresh copy; after `free()` it throws. */
export interface NenKeyPair extends Freeable {
  readonly public_key: Uint8Array;
  readonly secret_key: Uint8Array;
}

/** A shared secret, and the ciphertext that its other holder recovers it from. Getters as {@link NenKeyPair}'s. */
export interface NenEncapsulation extends Freeable {
  /** 32 bytes. */
  readonly shared_secret: Uint8Array;
  /** 1,088 bytes. */
  readonly ciphertext: Uint8Array;
}

/**
 * Does nothing, because nothing is to be loaded: code for wasm-bindgen's web target awaits its default export before
 * it calls anything else.
 */
export default async function init(): Promise<void> {}

/** Draws an ML-KEM-768 key pair (FIPS 203): 1,184 bytes public, 2,400 bytes secret. Errors: ISO-1002. */
export function nen_generate_keypair(): NenKeyPair {
  const { publicKey, secretKey } = binding.kemGenerate();
  return new KeyPair(publicKey, secretKey);
}

/** Draws a shared secret for the holder of an ML-KEM-768 public key. Errors: TypeError, ISO-1001, ISO-1002. */
export function nen_encapsulate(public_key: Uint8Array): NenEncapsulation {
  const { sharedSecret, ciphertext } = binding.kemEncapsulate(view('public_key', public_key));
  return new Encapsulation(sharedSecret, ciphertext);
}

/**
 * Recovers a shared secret of 32 bytes. For a ciphertext that was made for another key it is another secret, as
 * FIPS 203 has it, and not an error. Errors: TypeError, ISO-1002.
 */
export function nen_decapsulate(secret_key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return own(binding.kemDecapsulate(view('secret_key', secret_key), view('ciphertext', ciphertext)));
}

/** A random nonce of 12 bytes. Errors: ISO-4002. */
export function nen_generate_nonce(): Uint8Array {
  return own(binding.randomNonce());
}

/**
 * Seals with ChaCha20-Poly1305 (RFC 8439), without associated data: a key of 32 bytes, a nonce of 12 that this key has
 * not sealed with before. The tag of 16 bytes ends the ciphertext. Errors: TypeError, ISO-4002.
 */
export function nen_encrypt(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return own(binding.aeadSeal(view('key', key), view('nonce', nonce), view('plaintext', plaintext)));
}

/** Opens what {@link nen_encrypt} sealed. Errors: TypeError, ISO-4001. */
export function nen_decrypt(key: Uint8Array, nonce: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return own(binding.aeadOpen(view('key', key), view('nonce', nonce), view('ciphertext', ciphertext)));
}

/** Bytes as standard, padded base64 (RFC 4648). Errors: TypeError. */
export function nen_to_base64(bytes: Uint8Array): string {
  return binding.base64Encode(view('bytes', bytes));
}

/** Decodes standard, padded base64, and nothing that only looks like it. Errors: TypeError, ISO-6002. */
export function nen_from_base64(text: string): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  return own(binding.base64Decode(text));
}

/** The HMAC-SHA256 (FIPS 198-1) of a message under a key of 32 bytes: 32 bytes. Errors: TypeError. */
export function nen_hmac_sign(key: Uint8Array, message: Uint8Array): Uint8Array {
  return own(binding.hmacSign(view('key', key), view('message', message)));
}

/** Whether a signature is that of the message, in constant time; false for one of another size. Errors: TypeError. */
export function nen_hmac_verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return binding.hmacVerify(view('key', key), view('message', message), view('signature', signature));
}

/**
 * Draws an ML-DSA-65 key pair (FIPS 204), in DER: SubjectPublicKeyInfo of 1,974 bytes and PKCS#8 of 54 bytes, which
 * holds the seed. Errors: ISO-1002.
 */
export function nen_generate_signing_keypair(): NenKeyPair {
  const { publicKey, secretKey } = binding.dsaGenerate();
  return new KeyPair(publicKey, secretKey);
}

/** Signs a message with a secret key in PKCS#8: 3,309 bytes. Errors: TypeError, ISO-3004 for what is no key, ISO-1002. */
export function nen_sign(secret_key: Uint8Array, message: Uint8Array): Uint8Array {
  return own(binding.dsaSign(view('secret_key', secret_key), view('message', message)));
}

/** Whether a signature is over this message; false for one of another size. Errors: TypeError, ISO-3004 for what is no key. */
export function nen_verify_signature(
  public_key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return binding.dsaVerify(
    view('public_key', public_key),
    view('message', message),
    view('signature', signature),
  );
}

/** Two arrays of bytes that are wiped together, and that `inspect` does not show. */
class Pair implements Freeable {
  #bytes: [Buffer, Buffer] | undefined;

  constructor(...bytes: [Buffer, Buffer]) {
    this.#bytes = bytes;
  }

  protected copy(index: 0 | 1): Uint8Array {
    if (this.#bytes === undefined) throw new Error('free() was called: these bytes are wiped');
    return new Uint8Array(this.#bytes[index]);
  }

  free(): void {
    for (const bytes of this.#bytes ?? []) bytes.fill(0);
    this.#bytes = undefined;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

class KeyPair extends Pair implements NenKeyPair {
  get public_key(): Uint8Array {
    return this.copy(0);
  }

  get secret_key(): Uint8Array {
    return this.copy(1);
  }
}

class Encapsulation extends Pair implements NenEncapsulation {
  get shared_secret(): Uint8Array {
    return this.copy(0);
  }

  get ciphertext(): Uint8Array {
    return this.copy(1);
  }
}

/** A result as WebAssembly would give it: an array with a buffer of its own, and not a part of a pool. */
function own(bytes: Buffer): Uint8Array {
  if (bytes.byteLength === bytes.buffer.byteLength) return new Uint8Array(bytes.buffer);
  const copy = new Uint8Array(bytes);
  bytes.fill(0);
  return copy;
}
