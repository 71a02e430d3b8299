// The options of a server, checked, and what follows from them alone.

import cluster from 'node:cluster';
import {
  type Answer,
  binding,
  type Endpoint,
  type Exchange,
  type NativeServer,
  type ServerOptions,
  type StoreKeys,
  type WholeForm,
} from '../binding.js';
import { NenError } from '../error.js';
import { InMemorySessionStore } from '../stores/memory.js';
import { nativeStores } from '../stores/native-stores.js';
import type { SessionStore } from '../stores/session-store.js';
import { Events, logToConsole } from './events.js';
import type { Incoming } from './incoming.js';
import type { NenOptions } from './options.js';
import { Storage } from './storage.js';

/** Less than in other languages: here the event loop parses, which serves everybody. */
const MAX_BODY = 1024 * 1024;

/** Bodies of more bytes than this are opened and sealed on the thread pool: half a millisecond of work. */
const BACKGROUND_BYTES = 256 * 1024;

const OPTIONS: Record<keyof NenOptions, true> = {
  store: true,
  storeTimeoutMs: true,
  storeKeys: true,
  prefix: true,
  externalPrefix: true,
  sessionTtlMs: true,
  windowMs: true,
  maxBody: true,
  maxAnswer: true,
  maxChunk: true,
  strict: true,
  noncesForSession: true,
  requireSignedLifecycle: true,
  identities: true,
  log: true,
};

const errorBodies = new Map<string, Buffer>();

/** A server's policy and store: what every way of serving HTTP shares. */
export class Guard {
  /** The path of the session endpoints, as this server sees it. */
  readonly prefix: string;
  readonly maxAnswer: number;
  /** Most bytes of one chunk of a stream. */
  readonly maxChunk: number;
  readonly events: Events;
  readonly #policy: ServerOptions;
  readonly #storeKeys: StoreKeys | undefined;
  readonly #storeTimeoutMs: number;
  readonly #strict: boolean;
  #server: NativeServer;
  #lenient: NativeServer | undefined;
  #storage: Storage;
  #mayWarnOfWorkers = cluster.isWorker;
  readonly #externalPrefix: string;

  constructor(options: NenOptions = {}) {
    if ('claimNonce' in options) throw new TypeError('a store is an option: createNen({ store })');
    const unknown = Object.keys(options).filter((name) => !Object.hasOwn(OPTIONS, name));
    if (unknown.length > 0) throw new TypeError(`there is no option ${unknown.join(', ')}`);
    const {
      prefix = binding.ENDPOINT_PREFIX,
      strict = true,
      externalPrefix = '',
      log = logToConsole,
    } = options;
    this.maxAnswer = bytes('maxAnswer', options.maxAnswer ?? 16 * 1024 * 1024, Number.MAX_SAFE_INTEGER);
    this.maxChunk = bytes('maxChunk', options.maxChunk ?? 256 * 1024, binding.DEFAULT_MAX_CHUNK);
    if (typeof strict !== 'boolean') throw new TypeError('strict must be true or false');
    for (const name of ['noncesForSession', 'requireSignedLifecycle'] as const) {
      if (typeof (options[name] ?? true) !== 'boolean') throw new TypeError(`${name} must be true or false`);
    }
    for (const name of ['sessionTtlMs', 'windowMs', 'maxBody'] as const) positive(name, options[name] ?? 1);
    if (externalPrefix !== '' && !/^\/(?:(?![?#])[\x21-\x7e])*$/.test(externalPrefix)) {
      throw new TypeError('externalPrefix must be a path that starts with a slash, percent-encoded');
    }
    if (typeof log !== 'function') throw new TypeError('log must be a function');
    this.prefix = prefix;
    this.#externalPrefix = externalPrefix.replace(/\/+$/, '');
    this.events = new Events(log);
    this.#policy = policyOf(options);
    this.#storeKeys = storeKeysOf(options);
    this.#strict = strict;
    this.#server = this.#serverOf({ strict: true });
    if (!strict) this.allowUnsigned();
    this.#storeTimeoutMs = options.storeTimeoutMs ?? 2000;
    const { store = new InMemorySessionStore() } = options;
    this.#storage = this.#storageOf(store);
  }

  get store(): SessionStore {
    return this.#storage.store;
  }

  set store(store: SessionStore) {
    this.#storage = this.#storageOf(store);
  }

  #serverOf(options: ServerOptions): NativeServer {
    return new binding.Server({ ...this.#policy, ...options }, this.#storeKeys);
  }

  #storageOf(store: SessionStore): Storage {
    return new Storage(store, this.#storeTimeoutMs);
  }

  /** Once, and not before a request comes: until then the store may be replaced. */
  #warnOfWorkers(): void {
    if (this.#mayWarnOfWorkers && nativeStores.has(this.store)) {
      this.#mayWarnOfWorkers = false;
      this.events.configuration(
        'this process is one of several workers, and its sessions are in its own memory: requests that another worker ' +
          'gets will be refused with ISO-2002. Use a store that the workers share',
      );
    }
  }

  /**
   * Says that some endpoint will admit unsigned requests. From now on every nonce counts for its whole session: a
   * recorded request could be sent there without its signature.
   */
  allowUnsigned(): void {
    if (this.#lenient) return;
    this.#lenient = this.#serverOf({ strict: false });
    this.#server = this.#serverOf({ strict: true, noncesForSession: true });
  }

  /** Where a request belongs: to a session endpoint, nowhere (anything else under the prefix), or the application (null). */
  route({ method, target }: Incoming): Endpoint | 'not-found' | null {
    return this.#server.route(method, target);
  }

  /**
   * Checks a request by its headers, before its body is read. An unsigned one passes if `strict` is false: by default
   * the option. Errors: ISO-2003, ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003, ISO-5001, ISO-5002, ISO-9001.
   */
  admit(incoming: Incoming, strict = this.#strict): Exchange | Promise<Exchange> {
    if (!strict) this.allowUnsigned();
    this.#warnOfWorkers();
    return this.#storage.admit((strict ? undefined : this.#lenient) ?? this.#server, this.#signed(incoming));
  }

  /** Answers a session endpoint. Errors: the ISO code to answer with. */
  async respond(endpoint: Endpoint, incoming: Incoming, body: Uint8Array): Promise<Answer> {
    this.#warnOfWorkers();
    const answer = await this.#storage.respond(this.#server, endpoint, this.#signed(incoming), body);
    if (endpoint !== 'status') this.events.lifecycle(endpoint);
    return answer;
  }

  /** Throws the ISO-6001 error for the body of a handshake or rotation over `binding.MAX_HANDSHAKE_BODY`. */
  refuseLongHandshake(): void {
    this.#server.refuseLongHandshake();
  }

  /** Opens a request's body to JSON; null without a body. Errors: ISO-6001, ISO-6002, ISO-4001, ISO-4003. */
  open(exchange: Exchange, body: Uint8Array): Buffer | null | Promise<Buffer | null> {
    return body.length > BACKGROUND_BYTES ? exchange.openInBackground(body) : exchange.open(body);
  }

  /** Seals a whole answer. Errors: ISO-4002; ISO-9000 if it is over `maxAnswer`. */
  seal(exchange: Exchange, form: WholeForm, status: number, body: Uint8Array): Answer | Promise<Answer> {
    if (body.length > this.maxAnswer) throw this.answerTooLong();
    return body.length > BACKGROUND_BYTES
      ? exchange.sealInBackground(form, status, body)
      : exchange.seal(form, status, body);
  }

  /** The error for an answer over `maxAnswer`. */
  answerTooLong(): NenError {
    return new NenError('ISO-9000', {
      detail: "the application's answer has more bytes than maxAnswer allows",
    });
  }

  /**
   * The answer to a request that fails: plain JSON of code and message. What is no failure of the protocol is the
   * application's, and becomes ISO-9000. Both are told to the log.
   */
  refuse(error: unknown, incoming: Incoming): Answer {
    if (!(error instanceof NenError)) return this.handlerFailed(error, incoming);
    this.events.refused(error, incoming.method, incoming.target);
    return plainAnswer(error);
  }

  /** The answer to a request whose handler failed, whatever it threw: ISO-9000. */
  handlerFailed(error: unknown, { method, target }: Incoming): Answer {
    this.events.handlerFailed(error, method, target);
    return plainAnswer(new NenError('ISO-9000'));
  }

  #signed(incoming: Incoming): Incoming {
    return this.#externalPrefix ? { ...incoming, target: this.#externalPrefix + incoming.target } : incoming;
  }
}

function plainAnswer({ code, status }: NenError): Answer {
  const body = errorBodies.get(code) ?? binding.errorBody(code);
  errorBodies.set(code, body);
  return { status, body };
}

/** What the core is told, read once: an iterator of keys gives them once, and what is changed later is not checked. */
function policyOf(options: NenOptions): ServerOptions {
  const {
    prefix,
    sessionTtlMs,
    windowMs,
    maxBody,
    noncesForSession,
    requireSignedLifecycle,
    identities = 'optional',
  } = options;
  const named = typeof identities === 'string' ? identities : [...identities];
  if (typeof named === 'string' ? named !== 'optional' && named !== 'required' : !named.every(isBytes)) {
    throw new TypeError("identities must be 'optional', 'required' or public keys, each a Uint8Array");
  }
  return {
    ...(prefix !== undefined && { prefix }),
    ...(sessionTtlMs !== undefined && { sessionTtlMs }),
    ...(windowMs !== undefined && { windowMs }),
    maxBody: maxBody ?? MAX_BODY,
    ...(noncesForSession !== undefined && { noncesForSession }),
    ...(requireSignedLifecycle !== undefined && { requireSignedLifecycle }),
    ...(typeof named === 'string' ? { requireIdentity: named === 'required' } : { identities: named }),
  };
}

/** An option that is there and undefined is refused: a variable that is not set must not turn the sealing off. */
function storeKeysOf(options: NenOptions): StoreKeys | undefined {
  if (!('storeKeys' in options)) return undefined;
  const keys: unknown = options.storeKeys;
  if (!Array.isArray(keys)) {
    throw new TypeError(
      "storeKeys must be an array of keys: list 'plain' for records in the clear, or leave the option out",
    );
  }
  // Not `forEach`, which skips holes.
  for (const [at, key] of keys.entries()) {
    if (typeof key === 'string' || isBytes(key)) continue;
    throw new TypeError(
      `storeKeys[${at}] is ${key === null ? 'null' : typeof key}, and must be a key (text or a Uint8Array) or the ` +
        "word 'plain': is the variable that it comes from set?",
    );
  }
  return new binding.StoreKeys(keys);
}

function isBytes(value: unknown): boolean {
  return value instanceof Uint8Array;
}

function positive(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new TypeError(`${name} must be an integer of at least 1`);
}

function bytes(name: string, value: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > most) {
    throw new TypeError(`${name} must be an integer from 1 to ${most} bytes`);
  }
  return value;
}
