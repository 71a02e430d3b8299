// Bytes of the caller, for the native module.

import { types } from 'node:util';

/**
 * An argument as it may be read. One that other threads can write to is copied: it must not change meanwhile. Errors:
 * TypeError for what is no Uint8Array.
 */
export function view(name: string, bytes: Uint8Array): Uint8Array {
  if (!types.isUint8Array(bytes)) throw new TypeError(`${name} must be a Uint8Array`);
  return types.isSharedArrayBuffer(bytes.buffer) ? Uint8Array.from(bytes) : bytes;
}
