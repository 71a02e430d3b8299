// Several processes of one server, by node:cluster.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const server = createRequire(import.meta.url).resolve('@withnen/native/server');
const directory = mkdtempSync(join(tmpdir(), 'nen-workers-'));
after(() => rmSync(directory, { recursive: true }));

/** Runs a program in a worker of node:cluster; returns what the worker wrote. */
function inWorker(source) {
  const program = join(directory, 'program.cjs');
  writeFileSync(
    program,
    `const cluster = require('node:cluster');
    const nen = require(${JSON.stringify(server)});
    const status = (handle) => handle(new Request('http://localhost/api/nen/status'));
    if (cluster.isPrimary) cluster.fork();
    else (async () => { ${source} })().finally(() => cluster.worker.disconnect());`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' });
  return stdout + stderr;
}

test('a worker of several is told once that its sessions are in its own memory', () => {
  const output = inWorker(`
    const { handleStatus } = nen.createNen();
    await status(handleStatus);
    await status(handleStatus);`);
  assert.equal(output.match(/one of several workers/g)?.length, 1, output);
});

test('a worker that is given a shared store in time is told nothing of it', () => {
  const output = inWorker(`
    nen.withNen(() => 1, { strict: false });
    nen.setSessionStore({ get() {}, set() {}, delete() {}, claimNonce() { return true; } });
    await status(nen.handleStatus);`);
  assert.match(output, /ISO-2003/); // the request has come so far
  assert.doesNotMatch(output, /several workers/);
});

test('what is no store is refused at once', () => {
  assert.match(inWorker('nen.setSessionStore(undefined);'), /TypeError: store is no session store/);
});
