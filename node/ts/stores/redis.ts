// Sessions and used nonces in Redis.

import { CommandStore, type RedisCommands, unavailable } from './commands.js';
import { nameOf } from './failure.js';

interface Client {
  get(key: string): PromiseLike<unknown>;
  set(key: string, value: string, ...options: never[]): PromiseLike<unknown>;
  del(key: string): PromiseLike<unknown>;
  connect(): PromiseLike<unknown>;
}

/** What a {@link RedisSessionStore} needs of a client of ioredis. */
export interface IoredisClient extends Client {
  getBuffer(key: string): PromiseLike<unknown>;
}

/** What a {@link RedisSessionStore} needs of a client of node-redis. */
export interface NodeRedisClient extends Client {
  GET(key: string): PromiseLike<unknown>;
}

/**
 * Keeps sessions and used nonces in Redis 6.2 or later, where several servers, of any language, share them.
 *
 * `client` is a `Redis` or `Cluster` of ioredis (5 or later), or of node-redis (4 or later) a client, cluster, pool or
 * sentinel. It stays yours to connect and to close.
 *
 * Whoever can read the Redis can read what is sealed: protect it as you protect the servers. Let it evict nothing
 * (`maxmemory-policy noeviction`): a nonce that is evicted lets a recorded request in again. Asynchronous replication
 * has the same effect for what was not copied when a replica takes over. Do not read from replicas, nor through a cache
 * of the client.
 *
 * While Redis is away, requests are answered with ISO-9001 within `storeTimeoutMs`; sessions are not lost. Both libraries
 * keep the commands back until it returns, and these pile up: give a node-redis client `disableOfflineQueue: true`, and
 * one of ioredis `enableOfflineQueue: false` and a small `maxRetriesPerRequest`, so that they fail at once.
 *
 * Throws TypeError if `client` is neither.
 */
export class RedisSessionStore extends CommandStore {
  constructor(client: IoredisClient | NodeRedisClient) {
    super('Redis', commandsOf(client));
  }
}

/** Pipelines and transactions, whose commands resolve with themselves, cannot connect; nor can callback interfaces. */
function commandsOf(client: IoredisClient | NodeRedisClient): RedisCommands {
  const has = (name: string) => typeof (client as never)?.[name] === 'function';
  if (['get', 'set', 'del', 'connect'].every(has)) {
    if (has('getBuffer')) return new Commands(client, ioredisOptions);
    if (has('GET') && !isLegacy(client)) return new Commands(client, nodeRedisOptions);
  }
  throw new TypeError(
    'a RedisSessionStore needs a client of ioredis (5 or later) or of node-redis (4 or later, without legacyMode); ' +
      'the REST API of Upstash is for an UpstashSessionStore',
  );
}

/** In node-redis 4, a client that calls back and returns nothing. */
function isLegacy(client: object): boolean {
  return Boolean((client as { options?: { legacyMode?: unknown } }).options?.legacyMode);
}

class Commands implements RedisCommands {
  readonly #client: Client;
  readonly #options: typeof ioredisOptions | typeof nodeRedisOptions;

  constructor(client: Client, options: typeof ioredisOptions | typeof nodeRedisOptions) {
    this.#client = client;
    this.#options = options;
  }

  get(key: string): Promise<unknown> {
    return replyOf(() => this.#client.get(key));
  }

  set(key: string, value: string, lifeMs: number, isNew: boolean): Promise<unknown> {
    return replyOf(() => this.#client.set(key, value, ...(this.#options(lifeMs, isNew) as never[])));
  }

  del(key: string): Promise<unknown> {
    return replyOf(() => this.#client.del(key));
  }
}

function ioredisOptions(lifeMs: number, isNew: boolean): unknown[] {
  return isNew ? ['PX', lifeMs, 'NX'] : ['PX', lifeMs];
}

/** In the terms of node-redis 4, and in those of 5 and later, each of which ignores what it does not know. */
function nodeRedisOptions(lifeMs: number, isNew: boolean): unknown[] {
  const expiration = { type: 'PX', value: lifeMs };
  return [{ PX: lifeMs, expiration, ...(isNew && { NX: true, condition: 'NX' }) }];
}

/** The errors of ioredis hold the command with its arguments, a record among them: none is passed on. */
async function replyOf(command: () => PromiseLike<unknown>): Promise<unknown> {
  try {
    return await command();
  } catch (error) {
    // The first word of an error that Redis replies with, such as OOM or READONLY.
    const [kind] = /^[A-Z]{2,32}(?= )/.exec(String((error as Error | undefined)?.message)) ?? [];
    throw unavailable(`Redis failed with ${nameOf(error)}${kind ? ` ${kind}` : ''}`);
  }
}
