// The demo's FastAPI server as a process of its own, which reports what its handlers have in their hands.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const python = path.join(here, '../../.venv/bin/python');

/** Starts the server. It ends with this process, however that ends. */
export async function startBackend() {
  const child = spawn(python, [path.join(here, 'server.py')], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('exit', () => child.kill());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

  const reports = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  /** The next thing the server reports, which must be this event. */
  async function says(event) {
    const { value, done } = await reports.next();
    if (done) throw new Error('the server has ended; its own message stands above');
    const report = JSON.parse(value);
    if (report.event !== event) throw new Error(`the server reported ${report.event} instead of ${event}`);
    return report.value;
  }

  return {
    url: `http://127.0.0.1:${await says('listening')}`,
    says,
    async stop() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
