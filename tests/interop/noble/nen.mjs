// NEN-PROTOCOL-V2 on one page: a client for browsers and Node, made of noble's primitives and none of this
// project's code. Its sections are those of docs/PROTOCOL.md. It is there to be read, and to be run against every
// server of the matrix. A client to build on also limits what it reads, can be aborted, and checks how it is called.

import { chacha20poly1305 } from '../../../node/node_modules/@noble/ciphers/chacha.js';
import { equalBytes } from '../../../node/node_modules/@noble/ciphers/utils.js';
import { hmac } from '../../../node/node_modules/@noble/hashes/hmac.js';
import { sha256 } from '../../../node/node_modules/@noble/hashes/sha2.js';
import { ml_dsa65 } from '../../../node/node_modules/@noble/post-quantum/ml-dsa.js';
import { ml_kem768 } from '../../../node/node_modules/@noble/post-quantum/ml-kem.js';
import { EventSourceParserStream } from '../../../node/node_modules/eventsource-parser/dist/stream.js';

/** A failure of the protocol, by its code in docs/ERRORS.md. */
export class NenError extends Error {
  constructor(code, detail) {
    super(`${code}: ${detail}`);
    this.name = 'NenError';
    this.code = code;
    this.detail = detail;
  }
}

// ── Encodings ────────────────────────────────────────────────────────────────────────────────────────────

const toUtf8 = (text) => new TextEncoder().encode(text);
const fromUtf8 = (bytes) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);

function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** The bytes of base64, or undefined. atob() is lenient; canonical is what btoa() writes the same again. */
function fromBase64(text) {
  try {
    const binary = atob(text);
    return btoa(binary) === text ? Uint8Array.from(binary, (char) => char.charCodeAt(0)) : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes of a fixed size. */
function fromBase64Of(size, text) {
  const bytes = fromBase64(text);
  return bytes?.length === size ? bytes : undefined;
}

/**
 * A JSON object, or an empty one in place of what is no JSON; its members may have any type. JSON.parse() takes the
 * last of two members of one name: to refuse such a body, as PROTOCOL.md says, would need another parser.
 */
function objectOf(body) {
  try {
    return JSON.parse(fromUtf8(body)) ?? {};
  } catch {
    return {};
  }
}

const bodyOf = async (response) => new Uint8Array(await response.arrayBuffer());

const SESSION_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

// ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────

const NONCE_SIZE = 12;
const HMAC_KEY_SIZE = 32;

const seal = (key, nonce, plaintext) => chacha20poly1305(key, nonce).encrypt(plaintext);

function open(key, nonce, base64) {
  const ciphertext = fromBase64(base64);
  if (!ciphertext) throw new NenError('ISO-6002', 'a ciphertext is not base64');
  try {
    return chacha20poly1305(key, nonce).decrypt(ciphertext);
  } catch {
    throw new NenError('ISO-4001', 'a ciphertext does not open');
  }
}

// ── Handshake ────────────────────────────────────────────────────────────────────────────────────────────

/** What a server's answer and our secret key make: the id and the two keys of a session. */
function sessionOf(response, body, secretKey) {
  const { sid, ct, hmac } = response.ok ? objectOf(body) : {};
  const ciphertext = fromBase64Of(ml_kem768.lengths.cipherText, ct);
  const hmacKey = fromBase64Of(HMAC_KEY_SIZE, hmac);
  if (typeof sid !== 'string' || !SESSION_ID.test(sid) || !ciphertext || !hmacKey)
    throw new NenError('ISO-1004', 'the handshake was answered with something else');
  return { id: sid, aeadKey: ml_kem768.decapsulate(ciphertext, secretKey), hmacKey };
}

/** Tag, length and content in DER. Of the long forms of a length, only that of two bytes is needed here. */
function der(tag, ...parts) {
  const content = parts.flatMap((part) => [...part]);
  const size = content.length;
  return [tag, ...(size < 0x80 ? [size] : [0x82, size >> 8, size & 0xff]), ...content];
}
const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const BIT_STRING = 0x03;
/** 2.16.840.1.101.3.4.3.18, ML-DSA-65: the first two numbers are one byte (40 × 2 + 16), 840 is two. */
const ML_DSA_65 = [0x60, 0x86, 0x48, 1, 101, 3, 4, 3, 18];

/** An ML-DSA-65 key, with which a client can sign its handshakes. */
export class Identity {
  #secretKey;
  /** The DER SubjectPublicKeyInfo. */
  publicKey;

  static generate() {
    return new Identity(ml_dsa65.keygen());
  }

  constructor({ publicKey, secretKey }) {
    this.#secretKey = secretKey;
    const algorithm = der(SEQUENCE, der(OBJECT_IDENTIFIER, ML_DSA_65));
    const unusedBits = 0;
    this.publicKey = Uint8Array.from(der(SEQUENCE, algorithm, der(BIT_STRING, [unusedBits], publicKey)));
  }

  /** What a handshake for this ML-KEM key holds beside it. */
  vouchFor(kemPublicKey) {
    const signature = ml_dsa65.sign(kemPublicKey, this.#secretKey);
    return { sigPk: toBase64(this.publicKey), sigOfPk: toBase64(signature) };
  }
}

// ── Headers and canonical string ─────────────────────────────────────────────────────────────────────────

function signedHeaders(session, method, path, time, nonce) {
  const timestamp = String(time);
  const nonceText = toBase64(nonce);
  const canonical = [method.toUpperCase(), path, timestamp, nonceText].join('\n');
  return {
    'X-Nen-Session': session.id,
    'X-Nen-Timestamp': timestamp,
    'X-Nen-Nonce': nonceText,
    'X-Nen-Signature': toBase64(hmac(sha256, session.hmacKey, toUtf8(canonical))),
  };
}

// ── Protected requests and answers ───────────────────────────────────────────────────────────────────────

function jsonOf(plaintext) {
  try {
    return JSON.parse(fromUtf8(plaintext));
  } catch {
    throw new NenError('ISO-4003', 'a plaintext is not JSON');
  }
}

/** A body that is sealed for each attempt. */
function sealedBody(json) {
  const plaintext = toUtf8(json);
  jsonOf(plaintext);
  return (session, nonce) => JSON.stringify({ ct: toBase64(seal(session.aeadKey, nonce, plaintext)) });
}

/** The JSON of a sealed answer; undefined if it is not sealed. `sent` are the nonces of our own attempts. */
function openAnswer(body, session, sent) {
  const { ct, n } = objectOf(body);
  if (typeof ct !== 'string' || typeof n !== 'string') return undefined;
  const nonce = fromBase64(n);
  if (!nonce) throw new NenError('ISO-6002', 'the nonce of the answer is not base64');
  if (nonce.length !== NONCE_SIZE) return undefined;
  refuseReflection(n, sent);
  return { data: jsonOf(open(session.aeadKey, nonce, ct)) };
}

function refuseReflection(nonceText, sent) {
  if (sent.has(nonceText)) throw new NenError('ISO-5001', 'the answer is our own ciphertext sent back');
}

/** The error of the protocol that an answer is, if it is one. A client with the table takes its codes alone. */
function refusalOf(body) {
  const { code, message } = objectOf(body).error ?? {};
  const isRefusal = typeof code === 'string' && /^ISO-\d{4}$/.test(code) && typeof message === 'string';
  return isRefusal ? new NenError(code, 'the server said so') : undefined;
}

// ── Streams ──────────────────────────────────────────────────────────────────────────────────────────────

const SENTINEL = toUtf8('__FIN__');
const MAX_FRAME = 16 * 1024 * 1024;

/** The data of each frame. A stream is over at its sentinel: an end that is seen here comes before it. */
async function* framesOf(stream) {
  const parser = new EventSourceParserStream({ maxBufferSize: MAX_FRAME });
  try {
    for await (const event of stream.pipeThrough(new TextDecoderStream()).pipeThrough(parser))
      yield event.data;
  } catch {
    throw new NenError('ISO-7003', 'the stream broke off');
  }
  throw new NenError('ISO-7003', 'the stream ended before its sentinel');
}

function chunkNonce(base, index) {
  if (index > 0xffff_ffff) throw new NenError('ISO-4001', 'the stream goes on past 2^32 chunks');
  const nonce = base.slice();
  const last = new DataView(nonce.buffer, 8);
  last.setUint32(0, last.getUint32(0, true) ^ index, true);
  return nonce;
}

async function* chunksOf(response, session, sent) {
  const nonceText = response.headers.get('X-Nen-Stream-Nonce');
  const base = fromBase64Of(NONCE_SIZE, nonceText);
  if (!base) throw new NenError('ISO-7001', 'X-Nen-Stream-Nonce is not the base64 of 12 bytes');
  refuseReflection(nonceText, sent);
  let index = 0;
  for await (const frame of framesOf(response.body)) {
    const chunk = open(session.aeadKey, chunkNonce(base, index++), frame);
    if (equalBytes(chunk, SENTINEL)) return;
    yield chunk;
  }
}

// ── Endpoints, and clients that fail closed ──────────────────────────────────────────────────────────────

export class NenClient {
  #base;
  #identity;
  #fetch;
  #session;
  #changing;
  #clockOffset = 0;

  /** A client of the server at this absolute URL, without a slash at its end. */
  constructor(base, { identity, fetch = (url, init) => globalThis.fetch(url, init) } = {}) {
    this.#base = base;
    this.#identity = identity;
    this.#fetch = fetch;
  }

  get sessionId() {
    return this.#session?.id;
  }

  /** Exchanges keys, once for all who ask for it at the same time. */
  handshake() {
    return this.#change(() => this.#shakeHands());
  }

  /** Takes new keys. Calls in flight go on with theirs; a session that is gone is followed by a handshake. */
  rotate() {
    return this.#change(async () => {
      try {
        await this.#exchangeKeys((body) => this.#call('POST', '/api/nen/rotate', () => body));
      } catch (error) {
        if (error.code !== 'ISO-2002') throw error;
        await this.#shakeHands();
      }
    });
  }

  /** Ends the session. If that fails, it stays. */
  async terminate() {
    if (!this.#session) return;
    const { response, session } = await this.#call('POST', '/api/nen/terminate');
    const { success } = objectOf(await bodyOf(response));
    if (!response.ok || success !== true) throw new NenError('ISO-6001', 'not the answer to terminate');
    if (this.#session === session) this.#session = undefined;
  }

  /** Whether the session lives. */
  async status() {
    if (!this.#session) return false;
    const { response } = await this.#call('GET', '/api/nen/status');
    const { valid } = objectOf(await bodyOf(response));
    if (response.status === 200 && valid === true) return true;
    if (response.status === 401 && valid === false) return false;
    throw new NenError('ISO-6001', 'not the answer to status');
  }

  /**
   * Sends a request with its JSON sealed. `data` is what the endpoint sealed; `plain` is the body of an answer that
   * is neither 2xx nor sealed. Anybody on the way could have written that, and the status.
   */
  async request(path, { method = 'GET', body } = {}) {
    const { response, session, sent } = await this.#call(method, path, body && sealedBody(body), true);
    const { status } = response;
    if (method === 'HEAD') return { status };
    const plain = await bodyOf(response);
    const answer = openAnswer(plain, session, sent);
    if (!answer && response.ok) throw new NenError('ISO-6001', 'the answer is not sealed');
    return { status, ...(answer ?? { plain }) };
  }

  /** The decrypted JSON of a 2xx answer. */
  async nenFetch(path, init) {
    const { status, data } = await this.request(path, init);
    if (status < 200 || status > 299) throw new Error(`the answer has status ${status}`);
    return data;
  }

  /** The text of a stream, as it arrives; characters that are split between chunks are joined. */
  async *nenStream(path, { method = 'GET', body } = {}) {
    const { response, session, sent } = await this.#call(method, path, body && sealedBody(body), true);
    if (!response.ok || !response.body)
      throw new NenError('ISO-7002', `no stream, but HTTP ${response.status}`);
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    for await (const chunk of chunksOf(response, session, sent))
      yield decoder.decode(chunk, { stream: true });
  }

  /** Changes the session, one change at a time: who comes meanwhile shares the one that is under way. */
  #change(make) {
    this.#changing ??= make().finally(() => {
      this.#changing = undefined;
    });
    return this.#changing;
  }

  #shakeHands() {
    return this.#exchangeKeys(async (body) => {
      const response = await this.#send('POST', '/api/nen/handshake', body).catch(() => {
        throw new NenError('ISO-1003', 'the handshake endpoint could not be reached');
      });
      const refusal = response.ok ? undefined : refusalOf(await bodyOf(response.clone()));
      if (refusal) throw refusal;
      return { response };
    });
  }

  /** Sends a fresh ML-KEM key, and makes a session of the answer. */
  async #exchangeKeys(send) {
    const { publicKey, secretKey } = ml_kem768.keygen();
    try {
      const offer = { pk: toBase64(publicKey), ...this.#identity?.vouchFor(publicKey) };
      const { response } = await send(JSON.stringify(offer));
      this.#session = sessionOf(response, await bodyOf(response), secretKey);
    } finally {
      secretKey.fill(0);
    }
  }

  /**
   * Sends a signed request, and once more for each error of the protocol that has a remedy. Each attempt is signed and
   * sealed anew; the answer is opened with the session of its attempt.
   */
  async #call(method, path, bodyFor, renews = false) {
    const { pathname } = new URL(this.#base + path); // percent-encoded, as fetch sends it
    const sent = new Set();
    const remedied = new Set();
    for (;;) {
      const session = this.#session;
      if (!session) throw new NenError('ISO-2001', 'there is no session yet, or no more');
      const clockOffset = this.#clockOffset;
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_SIZE));
      const headers = signedHeaders(session, method, pathname, Date.now() + clockOffset, nonce);
      sent.add(headers['X-Nen-Nonce']);
      const response = await this.#send(method, path, bodyFor?.(session, nonce), headers);
      const refusal = response.ok ? undefined : refusalOf(await bodyOf(response.clone()));
      if (!refusal) return { response, session, sent };

      const { code } = refusal;
      if (remedied.has(code)) throw refusal;
      remedied.add(code);
      if (code === 'ISO-2002' && renews) await this.#renew(session);
      else if (code !== 'ISO-3003' || !this.#learnClock(response, clockOffset)) throw refusal;
    }
  }

  /** Shakes hands, unless the session that was found dead is not the current one any more. */
  async #renew(dead) {
    if (this.#session === dead) await this.handshake();
  }

  /**
   * Takes the server's time, and tells whether it is another than an attempt was signed with. The header names whole
   * seconds. In a browser, a server of another origin must expose it by CORS.
   */
  #learnClock(response, signedWith) {
    const time = Date.parse(response.headers.get('Date'));
    if (Number.isNaN(time)) return false;
    this.#clockOffset = time + 500 - Date.now();
    return Math.abs(this.#clockOffset - signedWith) > 1000;
  }

  /** Sends a request. A redirect is not followed: a signature is for one path of one server. */
  #send(method, path, body, headers) {
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const init = { method, body, headers: { ...headers, ...type }, redirect: 'manual', cache: 'no-store' };
    return this.#fetch(this.#base + path, init);
  }
}
