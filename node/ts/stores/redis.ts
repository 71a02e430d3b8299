// Sessions and used nonces in Redis.

import { CommandStore, type RedisCommands, unavailable } from './commands.js';
import { nameOf } from './failure.js';

interface Client {
  get(key: string): PromiseLike<unknown>;
  del(key: string): PromiseLike<unknown>;
  connect(): PromiseLike<unknown>;
}

/** What a {@link RedisSessionStore} needs of a client of ioredis. */
export interface IoredisClient extends Client {
  set(key: string, value: string, px: 'PX', milliseconds: number): PromiseLike<unknown>;
  set(key: string, value: string, px: 'PX', milliseconds: number, nx: 'NX'): PromiseLike<unknown>;
  getBuffer(key: string): PromiseLike<unknown>;
}

/** What a {@link RedisSessionStore} needs of a client of node-redis. */
export interface NodeRedisClient extends Client {
  set(key: string, value: string, options: { PX: number; NX?: true }): PromiseLike<unknown>;
  GET(key: string): PromiseLike<unknown>;
}

/**
 * Keeps sessions and used nonces in Redis 6.2 or later, where several servers, of any language, share them.
 *
 * `client` is a `Redis` or `Cluster` of ioredis (5 or later), or of node-redis (4 or later) a client, cluster, pool or
 * sentinel. It stays yours to connect and to close. Listen to its `error` events: of a node-redis client to which nobody
 * listens, the first one ends the process.
 *
 * Without the option `storeKeys`, whoever can read the Redis can read what is sealed: protect it as you protect the
 * servers. Let it evict nothing (`maxmemory-policy noeviction`): a nonce that is evicted lets a recorded request in
 * again. Asynchronous replication has the same effect for what was not copied when a replica takes over. Do not read
 * from replicas, nor through a cache of the client.
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

function commandsOf(client: IoredisClient | NodeRedisClient): RedisCommands {
  const set = setOf(client);
  return {
    get: (key) => replyOf(() => client.get(key)),
    set: (...args) => replyOf(() => set(...args)),
    del: (key) => replyOf(() => client.del(key)),
  };
}

/** Pipelines and transactions, whose commands resolve with themselves, cannot connect; nor can callback interfaces. */
function setOf(client: IoredisClient | NodeRedisClient): RedisCommands['set'] {
  const has = (name: string) => typeof (client as never)?.[name] === 'function';
  if (['get', 'set', 'del', 'connect'].every(has) && !isLegacy(client)) {
    if (has('getBuffer')) return setOfIoredis(client as IoredisClient);
    if (has('GET')) return setOfNodeRedis(client as NodeRedisClient);
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

function setOfIoredis(client: IoredisClient): RedisCommands['set'] {
  return (key, value, lifeMs, isNew) =>
    isNew ? client.set(key, value, 'PX', lifeMs, 'NX') : client.set(key, value, 'PX', lifeMs);
}

/** In the terms of node-redis 4, and in those of 5 and later, each of which ignores what it does not know. */
function setOfNodeRedis(client: NodeRedisClient): RedisCommands['set'] {
  return (key, value, lifeMs, isNew) => {
    const expiring = { PX: lifeMs, expiration: { type: 'PX', value: lifeMs } };
    const unlessThere = { NX: true, condition: 'NX' } as const;
    return client.set(key, value, isNew ? { ...expiring, ...unlessThere } : expiring);
  };
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
