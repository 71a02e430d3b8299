// The session with one server, and what it is made of.

import { binding, type NativeClient, type NativeIdentity } from '../binding.js';
import { Events, logToConsole } from '../server/events.js';
import { Address } from './address.js';
import { Identity } from './identity.js';
import { Lifecycle } from './lifecycle.js';
import type { NenClientOptions } from './options.js';
import { Transport } from './transport.js';

const DEFAULT_MAX_ANSWER = 16 * 1024 * 1024;

const OPTIONS: Record<keyof NenClientOptions, true> = {
  identityMode: true,
  identity: true,
  fetch: true,
  prefix: true,
  correctClock: true,
  maxAnswer: true,
  maxChunk: true,
  log: true,
};

export interface Connection {
  readonly client: NativeClient;
  readonly transport: Transport;
  readonly lifecycle: Lifecycle;
  readonly address: Address;
  readonly events: Events;
  readonly identity: Identity | undefined;
  /** Whether calls shake hands if there is no session. */
  readonly lazy: boolean;
}

export function connectionTo(baseUrl: string | URL, options: NenClientOptions, lazy: boolean): Connection {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`there is no option ${name}`);
  }
  const {
    prefix = binding.ENDPOINT_PREFIX,
    maxAnswer = DEFAULT_MAX_ANSWER,
    maxChunk,
    correctClock,
  } = options;
  if (!isPrefix(prefix)) {
    throw new TypeError(
      'prefix must be a path that starts with a slash and ends without one, percent-encoded',
    );
  }
  bytes('maxAnswer', maxAnswer);
  if (maxChunk !== undefined) bytes('maxChunk', maxChunk);
  if (correctClock !== undefined && typeof correctClock !== 'boolean') {
    throw new TypeError('correctClock must be a boolean');
  }
  if (options.fetch !== undefined && typeof options.fetch !== 'function') {
    throw new TypeError('fetch must be a function');
  }
  const { log = logToConsole } = options;
  if (typeof log !== 'function') throw new TypeError('log must be a function');
  const events = new Events(log);
  const address = new Address(baseUrl);
  const identity = identityOf(options);
  const client = new binding.Client(
    {
      ...(correctClock !== undefined && { correctClock }),
      ...(maxChunk !== undefined && { maxChunk }),
    },
    (identity as NativeIdentity | undefined) ?? null,
  );
  const transport = new Transport(options.fetch ?? ((url, init) => globalThis.fetch(url, init)), maxAnswer);
  const lifecycle = new Lifecycle(client, transport, address, prefix, events);
  return { client, transport, lifecycle, address, events, identity, lazy };
}

function identityOf({ identity, identityMode }: NenClientOptions): Identity | undefined {
  if (identityMode !== undefined && identityMode !== 'tls' && identityMode !== 'pqc') {
    throw new TypeError("identityMode must be 'tls' or 'pqc'");
  }
  if (identity === undefined) return identityMode === 'pqc' ? Identity.generate() : undefined;
  if (identityMode === 'tls') throw new TypeError("an identity needs identityMode 'pqc'");
  if (identity instanceof Uint8Array) return Identity.fromPkcs8(identity);
  if (identity instanceof binding.Identity) return identity;
  throw new TypeError('identity must be an Identity or its PKCS#8 bytes');
}

/** Whether the endpoints are below it for servers too: dot segments and what is yet to be encoded are not what is sent. */
function isPrefix(prefix: unknown): boolean {
  if (typeof prefix !== 'string' || !/^(\/[^/?#\\]+)+$/.test(prefix)) return false;
  return new URL(`http://server${prefix}`).pathname === prefix;
}

function bytes(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw new TypeError(`${name} must be at least one byte`);
}
