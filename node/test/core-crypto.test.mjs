import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import init, * as core from '@withnen/native/core-crypto';
import fc from 'fast-check';

const bytes = (exact) => fc.uint8Array({ minLength: exact, maxLength: exact });
const [key, nonce, text] = [bytes(32), bytes(12), fc.uint8Array({ maxLength: 5000 })];
const check = (...args) => fc.assert(fc.property(...args), { numRuns: 200 });
// Where DER ends and the raw key of FIPS 204 begins.
const SPKI_PREFIX = 1974 - ml_dsa65.lengths.publicKey;
const seedOf = (pkcs8) => pkcs8.subarray(-32);

test('import and require give the same functions, and the default export is there to be awaited', async () => {
  const required = createRequire(import.meta.url)('@withnen/native/core-crypto');
  assert.equal(await init(), undefined);
  assert.equal(required.default, init);
  assert.deepEqual(
    Object.keys(core).filter((name) => name.startsWith('nen_')),
    [
      'nen_decapsulate',
      'nen_decrypt',
      'nen_encapsulate',
      'nen_encrypt',
      'nen_from_base64',
      'nen_generate_keypair',
      'nen_generate_nonce',
      'nen_generate_signing_keypair',
      'nen_hmac_sign',
      'nen_hmac_verify',
      'nen_sign',
      'nen_to_base64',
      'nen_verify_signature',
    ],
  );
});

test('ML-KEM-768 agrees with noble, both ways', () => {
  for (let round = 0; round < 5; round++) {
    const ours = core.nen_generate_keypair();
    const made = ml_kem768.encapsulate(ours.public_key);
    assert.deepEqual(core.nen_decapsulate(ours.secret_key, made.cipherText), made.sharedSecret);

    const theirs = ml_kem768.keygen();
    const sent = core.nen_encapsulate(theirs.publicKey);
    assert.deepEqual(ml_kem768.decapsulate(sent.ciphertext, theirs.secretKey), sent.shared_secret);

    // Implicit rejection: of a ciphertext that was tampered with, both derive the same useless secret.
    const broken = sent.ciphertext;
    broken[round] ^= 1;
    const rejected = core.nen_decapsulate(theirs.secretKey, broken);
    assert.deepEqual(rejected, ml_kem768.decapsulate(broken, theirs.secretKey));
    assert.notDeepEqual(rejected, sent.shared_secret);
  }
});

test('ChaCha20-Poly1305 agrees with noble, and opens nothing that was changed', () => {
  check(key, nonce, text, fc.nat(), (key, nonce, plaintext, at) => {
    const sealed = core.nen_encrypt(key, nonce, plaintext);
    assert.deepEqual(sealed, chacha20poly1305(key, nonce).encrypt(plaintext));
    assert.deepEqual(core.nen_decrypt(key, nonce, sealed), plaintext);
    sealed[at % sealed.length] ^= 1 << (at % 8);
    assert.throws(() => core.nen_decrypt(key, nonce, sealed), { code: 'ISO-4001' });
  });
  assert.throws(() => core.nen_decrypt(new Uint8Array(32), new Uint8Array(12), new Uint8Array(15)), {
    code: 'ISO-4001',
  });
});

test('HMAC-SHA256 agrees with noble and with OpenSSL', () => {
  check(key, text, fc.nat(), (key, message, at) => {
    const signature = core.nen_hmac_sign(key, message);
    assert.deepEqual(signature, hmac(sha256, key, message));
    assert.ok(timingSafeEqual(signature, createHmac('sha256', key).update(message).digest()));
    assert.equal(core.nen_hmac_verify(key, message, signature), true);
    assert.equal(core.nen_hmac_verify(key, message, signature.subarray(1)), false);
    signature[at % 32] ^= 1;
    assert.equal(core.nen_hmac_verify(key, message, signature), false);
  });
});

test('ML-DSA-65 agrees with noble, both ways', () => {
  const pair = core.nen_generate_signing_keypair();
  const raw = ml_dsa65.keygen(seedOf(pair.secret_key));
  assert.deepEqual(pair.public_key.subarray(SPKI_PREFIX), raw.publicKey);
  for (const message of [new Uint8Array(), new TextEncoder().encode('hello'), new Uint8Array(10_000)]) {
    const ours = core.nen_sign(pair.secret_key, message);
    assert.equal(ml_dsa65.verify(ours, message, raw.publicKey), true);
    assert.equal(core.nen_verify_signature(pair.public_key, message, ours), true);

    const theirs = ml_dsa65.sign(message, raw.secretKey);
    assert.equal(core.nen_verify_signature(pair.public_key, message, theirs), true);
    theirs[0] ^= 1;
    assert.equal(core.nen_verify_signature(pair.public_key, message, theirs), false);
    assert.equal(core.nen_verify_signature(pair.public_key, message, theirs.subarray(1)), false);
  }
});

test('base64 is that of Node, and nothing else is decoded', () => {
  check(text, (plain) => {
    const encoded = core.nen_to_base64(plain);
    assert.equal(encoded, Buffer.from(plain).toString('base64'));
    assert.deepEqual(core.nen_from_base64(encoded), plain);
  });
  check(fc.string({ unit: 'binary' }), (anything) => {
    if (Buffer.from(anything, 'base64').toString('base64') === anything) core.nen_from_base64(anything);
    else assert.throws(() => core.nen_from_base64(anything), { code: 'ISO-6002' });
  });
});

test('a nonce is of 12 bytes and never the same', () => {
  const drawn = Array.from({ length: 1000 }, () => core.nen_to_base64(core.nen_generate_nonce()));
  assert.equal(new Set(drawn).size, 1000);
  assert.equal(core.nen_generate_nonce().length, 12);
});

test('every result is a plain Uint8Array with a buffer of its own', () => {
  const pair = core.nen_generate_keypair();
  const { shared_secret, ciphertext } = core.nen_encapsulate(pair.public_key);
  const signing = core.nen_generate_signing_keypair();
  const [k, n] = [new Uint8Array(32), new Uint8Array(12)];
  for (const result of [
    pair.public_key,
    pair.secret_key,
    shared_secret,
    ciphertext,
    signing.public_key,
    signing.secret_key,
    core.nen_decapsulate(pair.secret_key, ciphertext),
    core.nen_generate_nonce(),
    core.nen_encrypt(k, n, n),
    core.nen_decrypt(k, n, core.nen_encrypt(k, n, n)),
    core.nen_decrypt(k, n, core.nen_encrypt(k, n, new Uint8Array())),
    core.nen_from_base64('AAAA'),
    core.nen_hmac_sign(k, n),
    core.nen_sign(signing.secret_key, n),
  ]) {
    assert.equal(Object.getPrototypeOf(result), Uint8Array.prototype);
    assert.equal(result.byteOffset, 0);
    assert.equal(result.buffer.byteLength, result.length);
    assert.ok(result.buffer instanceof ArrayBuffer);
  }
});

test('secrets are not shown, and free wipes what the object holds but no copy', () => {
  const { secret_key, ...others } = Object.getOwnPropertyDescriptors(core.nen_generate_keypair());
  assert.deepEqual([secret_key, others], [undefined, {}]);
  for (const made of [core.nen_generate_signing_keypair(), core.nen_generate_keypair()]) {
    assert.equal(inspect(made, { showHidden: true, depth: 9 }).match(/\d{2}/), null);
    assert.equal(JSON.stringify(made), '{}');
    const kept = made.secret_key;
    assert.notEqual(made.secret_key, kept);
    made.free();
    made[Symbol.dispose]();
    assert.ok(kept.some((byte) => byte !== 0));
    assert.throws(() => made.secret_key, /free\(\) was called/);
  }
});

test('swapped arguments of different sizes are a TypeError or an error that names the key', () => {
  const pair = core.nen_generate_keypair();
  const { ciphertext } = core.nen_encapsulate(pair.public_key);
  const signing = core.nen_generate_signing_keypair();
  const [k, n, message] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(100)];
  for (const [swapped, named] of [
    [() => core.nen_encapsulate(pair.secret_key), /public_key must be 1184 bytes, not 2400/],
    [() => core.nen_decapsulate(ciphertext, pair.secret_key), /secret_key must be 2400 bytes, not 1088/],
    [() => core.nen_decapsulate(pair.secret_key, k), /ciphertext must be 1088 bytes/],
    [() => core.nen_encrypt(n, k, message), /key must be 32 bytes, not 12/],
    [() => core.nen_encrypt(message, k, n), /key must be 32 bytes, not 100/],
    [() => core.nen_decrypt(k, message, n), /nonce must be 12 bytes, not 100/],
    [() => core.nen_hmac_sign(message, k), /key must be 32 bytes/],
    [() => core.nen_hmac_verify(message, k, k), /key must be 32 bytes/],
  ]) {
    assert.throws(swapped, (error) => error instanceof TypeError && named.test(error.message), `${swapped}`);
  }
  for (const swapped of [
    () => core.nen_sign(message, signing.secret_key),
    () => core.nen_sign(signing.public_key, message),
    () => core.nen_verify_signature(message, signing.public_key, message),
    () => core.nen_verify_signature(signing.secret_key, message, message),
  ]) {
    assert.throws(swapped, { code: 'ISO-3004' });
  }
});

test('arguments that are no Uint8Array are TypeErrors that quote nothing', () => {
  const [k, n, m] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(5)];
  const functions = [
    [core.nen_encapsulate, m],
    [core.nen_decapsulate, m, m],
    [core.nen_encrypt, k, n, m],
    [core.nen_decrypt, k, n, m],
    [core.nen_to_base64, m],
    [core.nen_hmac_sign, k, m],
    [core.nen_hmac_verify, k, m, m],
    [core.nen_sign, core.nen_generate_signing_keypair().secret_key, m],
    [core.nen_verify_signature, core.nen_generate_signing_keypair().public_key, m, m],
  ];
  const wrong = [
    undefined,
    null,
    7,
    7n,
    'geheim',
    {},
    [1, 2],
    m.buffer,
    new Uint16Array(16),
    new DataView(m.buffer),
  ];
  wrong.push(Symbol('x'), () => m, new Proxy(m, {}), { length: 32, ...k }, new Uint8ClampedArray(32));
  for (const [call, ...args] of functions) {
    for (const at of args.keys()) {
      for (const other of wrong) {
        assert.throws(
          () => call(...args.with(at, other)),
          (error) => error instanceof TypeError && /^\w+ must be a Uint8Array$/.test(error.message),
        );
      }
    }
  }
  for (const other of [...wrong.filter((value) => typeof value !== 'string'), m]) {
    assert.throws(() => core.nen_from_base64(other), { name: 'TypeError', message: 'text must be a string' });
  }
});

test('views, Buffers, memory that is shared or gone: what a Uint8Array may be', () => {
  const large = Uint8Array.from({ length: 100 }, (_, index) => index);
  const part = large.subarray(10, 42);
  const expected = hmac(sha256, part, large);
  assert.deepEqual(core.nen_hmac_sign(part, large), expected);
  assert.deepEqual(core.nen_hmac_sign(Buffer.from(part), Buffer.from(large)), expected);

  const shared = new Uint8Array(new SharedArrayBuffer(100));
  shared.set(large);
  assert.deepEqual(core.nen_hmac_sign(part, shared), expected);

  const growing = new Uint8Array(new ArrayBuffer(100, { maxByteLength: 200 }));
  growing.set(large);
  assert.deepEqual(core.nen_hmac_sign(part, growing), expected);

  const gone = new Uint8Array(32);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  assert.throws(() => core.nen_hmac_sign(gone, large), TypeError);
  assert.deepEqual(core.nen_hmac_sign(part, gone), hmac(sha256, part, new Uint8Array()));
});
