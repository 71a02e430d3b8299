// Real Redis servers on free ports, and a way to one that loses answers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** A Redis that keeps what it is told on the disk, so that it can be killed and started again. */
export class RedisServer {
  #process;
  #directory = mkdtempSync(join(tmpdir(), 'nen-redis-'));
  #options;

  constructor(port, options) {
    this.port = port;
    this.#options = [...options, '--port', `${port}`, '--bind', '127.0.0.1', '--save', ''];
    /** A client for what a test does to the Redis behind the store's back. */
    this.admin = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => 20 });
    this.admin.on('error', () => {});
  }

  /** @param {...string} options Of `redis-server`; `config` is a file for it. */
  static async start({ config, options = [] } = {}) {
    const server = new RedisServer(await freePort(), options);
    if (config !== undefined) {
      const file = join(server.#directory, 'redis.conf');
      writeFileSync(file, config);
      server.#options.unshift(file);
    }
    await server.start();
    return server;
  }

  static durable() {
    return RedisServer.start({ options: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  }

  /** A Redis Cluster of one node. */
  static async startCluster() {
    const port = await freePort();
    const options = ['--cluster-enabled', 'yes', '--cluster-port', `${port}`];
    const server = await RedisServer.start({ options: [...options, '--cluster-announce-ip', '127.0.0.1'] });
    await server.admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    while (!(await server.admin.cluster('INFO')).includes('cluster_state:ok')) await delay(20);
    return server;
  }

  /** A Sentinel that watches a Redis as "nen". */
  static startSentinel({ port }) {
    return RedisServer.start({
      config: `sentinel monitor nen 127.0.0.1 ${port} 1\n`,
      options: ['--sentinel'],
    });
  }

  async start() {
    this.#process = spawn('redis-server', this.#options, { cwd: this.#directory, stdio: 'ignore' });
    const deadline = Date.now() + 10_000;
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null || Date.now() > deadline)
        throw new Error('redis-server does not run');
      await delay(20);
    }
  }

  /** Whether it runs and has read its file. */
  #answers() {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'));
      socket.once('data', (reply) => {
        socket.destroy();
        resolve(`${reply}`.startsWith('+PONG'));
      });
      socket.once('error', () => resolve(false));
    });
  }

  /** Ends it as a crash would. */
  async kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGKILL');
    await once(this.#process, 'exit');
  }

  /** Stops it from answering; connections stay open. */
  freeze() {
    this.#process.kill('SIGSTOP');
  }

  thaw() {
    this.#process.kill('SIGCONT');
  }

  /** Names of the keys about a session, and for how many milliseconds they live. */
  async keysOf(sid) {
    const keys = await this.admin.keys(`*${sid}*`);
    return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await this.admin.pttl(key)])));
  }

  async close() {
    this.admin.disconnect();
    await this.kill();
    rmSync(this.#directory, { recursive: true });
  }
}

/** Passes on to a Redis what it is sent. The answer to the first claim of a nonce is lost with its connection. */
export async function losingProxy(port, t) {
  const proxy = { claims: 0, port: 0 };
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => other.destroy());
    }
    let loses = false;
    near.on('data', (question) => {
      if (question.includes('\r\nNX\r\n')) {
        proxy.claims += 1;
        loses = proxy.claims === 1;
      }
      far.write(question);
    });
    far.on('data', (answer) => (loses ? near.destroy() : near.write(answer)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  proxy.port = server.address().port;
  return proxy;
}
