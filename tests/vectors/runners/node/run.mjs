// Holds the Node package against every vector of tests/vectors, or of the folder that NEN_VECTORS names.
//
// Prints a line for each that fails, `not ok <file>/<name>: why`, and at the end how many passed and failed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import * as client from './client.mjs';
import * as handshakes from './handshakes.mjs';
import * as keys from './keys.mjs';
import * as server from './server.mjs';
import * as store from './store.mjs';
import { equal, Vector } from './vector.mjs';

/** What a vector is held against, by its kind: throws or rejects, and says why. */
const CHECKS = new Map(Object.entries({ ...client, ...handshakes, ...keys, ...server, ...store }));

const folder = process.env.NEN_VECTORS || fileURLToPath(new URL('../..', import.meta.url));
let passed = 0;
let failed = 0;

async function count(name, check) {
  try {
    await check();
    passed += 1;
  } catch (error) {
    failed += 1;
    console.log(`not ok ${name}: ${error.message.replaceAll('\n', ' ')}`);
  }
}

const files = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && name !== 'schema.json')
  .sort()
  .map((name) => [name, readFileSync(join(folder, name))]);

await count('SHA256SUMS', () => {
  if (files.length === 0) throw new Error('there are no files');
  const digest = ([name, text]) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`;
  equal(readFileSync(join(folder, 'SHA256SUMS'), 'utf8'), files.map(digest).join(''));
});
for (const [name, text] of files) {
  const stem = name.replace(/\.json$/, '');
  try {
    const file = new Vector(JSON.parse(text));
    const check = CHECKS.get(file.text('kind'));
    const vectors = file.vectors('vectors');
    if (check === undefined) throw new Error(`no runner for ${file.text('kind')}`);
    if (vectors.length === 0) throw new Error('there are no vectors');
    for (const vector of vectors) await count(`${stem}/${vector.text('name')}`, () => check(file, vector));
  } catch (error) {
    await count(stem, () => Promise.reject(error));
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
