// Programs that tests start.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A program that takes longer than this to listen, or to end, has failed. */
const MS = 120_000;

/** A process, and those that it starts. */
export class Program {
  /** What it has printed, and complained of. */
  output = '';
  #line;
  #process;
  #closed;

  constructor(command, args, options = {}) {
    this.#line = [command, ...args].join(' ');
    this.#process = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#closed = once(this.#process, 'close');
    for (const end of [this.#process.stdout, this.#process.stderr]) {
      end.setEncoding('utf8').on('data', (text) => {
        this.output += text;
      });
    }
  }

  /** Its exit status, once it has ended. */
  async status() {
    const late = delay(MS, [`none within ${MS} ms`], { ref: false });
    const [status] = await Promise.race([this.#closed, late]);
    return status;
  }

  /** Resolves once it accepts connections. */
  async listens(port) {
    for (const until = Date.now() + MS; ; await delay(20)) {
      assert.equal(this.#process.exitCode, null, `${this.#line} ended:\n${this.output}`);
      assert.ok(Date.now() < until, `${this.#line} does not listen:\n${this.output}`);
      const socket = connect(port, '127.0.0.1');
      const heard = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (heard) return;
    }
  }

  /** Ends it, and those that it started. */
  async end() {
    try {
      process.kill(-this.#process.pid, 'SIGKILL');
    } catch {
      // They have ended.
    }
    await this.#closed;
  }
}

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
