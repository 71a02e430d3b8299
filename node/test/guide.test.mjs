import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runGuide } from './guide/run.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

test('the usage guide runs as it stands', async (t) => {
  const project = mkdtempSync(join(tmpdir(), 'nen-guide-'));
  t.after(() => rmSync(project, { recursive: true }));
  mkdirSync(join(project, 'node_modules', '@withnen'), { recursive: true });
  symlinkSync(root, join(project, 'node_modules', '@withnen', 'native'));
  symlinkSync(join(root, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
  await t.test('from client and server', () => runGuide(project));
  await t.test('from the package', () => runGuide(project, () => '@withnen/native'));
});
