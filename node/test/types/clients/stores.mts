// The clients that stores take, as their libraries make them; it is compiled and not run.
import { RedisSessionStore, type SessionStore } from '@withnen/native/server';
import * as ioredis6 from 'ioredis';
import * as ioredis5 from 'ioredis5';
import * as redis6 from 'redis';
import * as redis4 from 'redis4';
import * as redis5 from 'redis5';

const sentinel = { name: 'nen', sentinelRootNodes: [{ host: '127.0.0.1', port: 26379 }] };
const mapping = { [redis6.RESP_TYPES.BLOB_STRING]: Buffer };

export const stores: SessionStore[] = [
  new RedisSessionStore(new ioredis6.Redis('redis://127.0.0.1')),
  new RedisSessionStore(new ioredis6.Cluster([{ port: 6379 }])),
  new RedisSessionStore(new ioredis5.Redis()),
  new RedisSessionStore(new ioredis5.Cluster([{ port: 6379 }])),
  new RedisSessionStore(redis6.createClient()),
  new RedisSessionStore(await redis6.createClient({ url: 'redis://127.0.0.1' }).connect()),
  new RedisSessionStore(redis6.createClient({ RESP: 3 }).withTypeMapping(mapping)),
  new RedisSessionStore(redis6.createClientPool()),
  new RedisSessionStore(redis6.createCluster({ rootNodes: [] })),
  new RedisSessionStore(redis6.createSentinel(sentinel)),
  new RedisSessionStore(redis5.createClient()),
  new RedisSessionStore(redis5.createClientPool()),
  new RedisSessionStore(redis5.createCluster({ rootNodes: [] })),
  new RedisSessionStore(redis5.createSentinel(sentinel)),
  new RedisSessionStore(redis4.createClient()),
  new RedisSessionStore(redis4.createCluster({ rootNodes: [] })),
];

// @ts-expect-error: a pipeline is no client
new RedisSessionStore(new ioredis6.Redis().pipeline());
// @ts-expect-error: a transaction is no client
new RedisSessionStore(redis6.createClient().multi());
// @ts-expect-error: a map is no client
new RedisSessionStore(new Map<string, string>());
