import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startServer } from './server.mjs';

const client = fileURLToPath(new URL('../../tests/interop/node/client', import.meta.url));

test('the interop client passes every step', async (t) => {
  const server = await startServer({}, t);
  const { stdout } = await promisify(execFile)(client, [server.url]);
  assert.match(stdout, /^23 passed, 0 failed$/m);
  assert.match(stdout, /^ok fault-stale-clock$/m);
});

test('the interop client fails against a server that does not answer', async () => {
  const run = promisify(execFile)(client, ['http://127.0.0.1:9']);
  const { code, stdout } = await run.catch((error) => error);
  assert.equal(code, 1);
  assert.match(stdout, /^not ok handshake: /m);
});
