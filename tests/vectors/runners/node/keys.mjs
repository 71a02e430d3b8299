// The two keys of a session, and identities.
import { createHmac } from 'node:crypto';
import { binding } from '../../../../node/dist/binding.js';
import { nen_verify_signature } from '../../../../node/dist/core-crypto.js';
import { NenError } from '../../../../node/dist/error.js';
import { Guard } from '../../../../node/dist/server/guard.js';
import { equal, sessionOf } from './vector.mjs';

export function canonicalString(file, vector) {
  const { hmacKey } = JSON.parse(file.text('record'));
  const session = sessionOf(file);
  const [method, target] = [vector.text('method'), vector.text('target')];
  return vector.expect(
    () => session.sign(method, target, vector.number('timestampMs'), vector.bytes('nonce')),
    (signature) => {
      const hmac = createHmac('sha256', Buffer.from(hmacKey, 'base64')).update(vector.text('canonical'));
      equal(hmac.digest('base64'), vector.text('signature'));
      equal(signature.toString('base64'), vector.text('signature'));
    },
  );
}

export function sealed(file, vector) {
  const [session, nonce] = [sessionOf(file), vector.bytes('nonce')];
  return vector.expect(
    () => session.open(nonce, vector.bytes('sealed')),
    (plaintext) => {
      equal(plaintext, vector.bytes('plaintext'));
      equal(session.seal(nonce, plaintext), vector.bytes('sealed'));
    },
  );
}

export function identityKey(_, vector) {
  if (!vector.has('pkcs8Hex')) {
    return vector.expect(
      () => new Guard({ identities: [vector.bytes('spki')] }),
      () => equal('a key', 'none'),
    );
  }
  return vector.expect(
    () => binding.Identity.fromPkcs8(vector.bytes('pkcs8')),
    (identity) => {
      equal(identity.toPkcs8(), vector.bytes('pkcs8'));
      equal(identity.publicKey, vector.bytes('spki'));
    },
  );
}

export function identitySignature(_, vector) {
  const [spki, message, signature] = ['spki', 'message', 'signature'].map((name) => vector.bytes(name));
  return vector.expect(
    () => {
      // In the shape of this function a signature that does not verify is no error.
      if (!nen_verify_signature(spki, message, signature)) throw new NenError('ISO-3004');
    },
    () => {},
  );
}
