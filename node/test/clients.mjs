// Clients of Redis, as their libraries make them.
import * as ioredis6 from 'ioredis';
import * as ioredis5 from 'ioredis5';
import * as redis6 from 'redis';
import * as redis4 from 'redis4';
import * as redis5 from 'redis5';

const host = '127.0.0.1';
const quiet = (client) => client.on('error', () => {});

const ioredis = ({ Redis, Cluster }, version) => {
  const opened = (client) => ({ client: quiet(client), close: () => client.disconnect() });
  return {
    [`ioredis ${version}`]: ({ port }, options = {}) => opened(new Redis({ host, port, ...options })),
    [`ioredis ${version} with pipelines`]: ({ port }) =>
      opened(new Redis({ host, port, enableAutoPipelining: true })),
    [`ioredis ${version} with buffers`]: ({ port }) => {
      const { client, close } = opened(new Redis({ host, port }));
      const buffers = { get: (key) => client.getBuffer(key), set: (...args) => client.setBuffer(...args) };
      return { client: Object.assign(Object.create(client), buffers), close };
    },
    [`ioredis ${version} cluster`]: (_, { cluster: { port } }) => opened(new Cluster([{ host, port }])),
    [`ioredis ${version} sentinel`]: (_, { sentinel: { port } }) =>
      opened(new Redis({ sentinels: [{ host, port }], name: 'nen' })),
  };
};

const opened = async (client) => {
  await quiet(client).connect();
  return { client, close: async () => (client.destroy ?? client.disconnect).call(client) };
};

const nodeRedis = ({ createClient, createCluster }, version) => ({
  [`node-redis ${version}`]: ({ port }, options = {}) =>
    opened(createClient({ ...options, socket: { host, port } })),
  [`node-redis ${version} cluster`]: (_, { cluster: { port } }) =>
    opened(createCluster({ rootNodes: [{ socket: { host, port } }] })),
});

const nodeRedisSince5 = ({ createClient, createClientPool, createSentinel, RESP_TYPES }, version) => ({
  [`node-redis ${version} pool`]: ({ port }, options = {}) =>
    opened(createClientPool({ socket: { host, port } }, options)),
  [`node-redis ${version} sentinel`]: (_, { sentinel: { port } }) =>
    opened(createSentinel({ name: 'nen', sentinelRootNodes: [{ host, port }] })),
  [`node-redis ${version} with buffers`]: async ({ port }) => {
    const { client, close } = await opened(createClient({ socket: { host, port } }));
    const mapping = { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.SIMPLE_STRING]: Buffer };
    return { client: client.withTypeMapping(mapping), close };
  },
});

/** By name, functions of a `RedisServer` (and of the cluster and the Sentinel) that make a client and its end. */
export const clients = {
  ...ioredis(ioredis5, 5),
  ...ioredis(ioredis6, 6),
  ...nodeRedis(redis4, 4),
  ...nodeRedis(redis5, 5),
  ...nodeRedisSince5(redis5, 5),
  ...nodeRedis(redis6, 6),
  ...nodeRedisSince5(redis6, 6),
};

/** The names of the plain clients, one for each version of a library. */
export const plain = ['ioredis 5', 'ioredis 6', 'node-redis 4', 'node-redis 5', 'node-redis 6'];
