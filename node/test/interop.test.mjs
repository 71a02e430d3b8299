import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const client = fileURLToPath(new URL('../../tests/interop/node/client', import.meta.url));

test('the interop client fails against a server that does not answer', async () => {
  const run = promisify(execFile)(client, ['http://127.0.0.1:9']);
  const { code, stdout } = await run.catch((error) => error);
  assert.equal(code, 1);
  assert.match(stdout, /^not ok handshake: /m);
});
