import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as esm from '@withnen/native';
import * as esmClient from '@withnen/native/client';
import { binding } from '../dist/binding.js';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
// CommonJS marks itself with `__esModule`, which `export *` passes on.
// Node tells of an imported CommonJS module as a whole, too: since 23 as 'module.exports'.
const namesOf = (module) =>
  Object.keys(module)
    .filter((name) => name !== '__esModule' && name !== 'module.exports')
    .sort();
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

test('import and require give the same things', () => {
  for (const [imported, path] of [
    [esm, '@withnen/native'],
    [esmClient, '@withnen/native/client'],
  ]) {
    const required = require(path);
    assert.deepEqual(namesOf(imported), namesOf(required));
    for (const name of namesOf(required)) assert.equal(imported[name], required[name], name);
  }
  assert.ok(new (require('@withnen/native').NenError)('ISO-9000') instanceof esm.NenError);
});

test('the public names are these', () => {
  const names = [
    'Identity',
    'InMemorySessionStore',
    'NEN_ERRORS',
    'NenClient',
    'NenError',
    'NenHttpError',
    'REMOTE_CLOCK_SLACK_MS',
    'RedisSessionStore',
    'UpstashSessionStore',
    'createNen',
    'createNenFetch',
    'createNenStream',
    'decryptBody',
    'describeNenCode',
    'encryptResponse',
    'errorResponse',
    'getSessionStore',
    'handleHandshake',
    'handleRotate',
    'handleSession',
    'handleStatus',
    'handleTerminate',
    'peerOf',
    'protect',
    'setSessionStore',
    'verifyRequest',
    'withNen',
    'withNenStream',
  ];
  assert.deepEqual(namesOf(esm), names);
});

test('nothing beyond the declared paths can be imported', async () => {
  await assert.rejects(import('@withnen/native/dist/binding.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
});

test('every code of the core has its row and its error', () => {
  const table = binding.errorTable();
  assert.deepEqual(
    Object.keys(esm.NEN_ERRORS),
    table.map(({ code }) => code),
  );
  for (const { code, name, status, hint, message, category } of table) {
    const error = new esm.NenError(code, { detail: 'found', cause: 'why' });
    assert.ok(error instanceof Error);
    assert.deepEqual(
      [error.code, error.name, error.status, error.hint, error.message, error.detail, error.cause],
      [code, name, status, hint, message, 'found', 'why'],
    );
    assert.equal(esm.describeNenCode(code), esm.NEN_ERRORS[code]);
    assert.equal(esm.NEN_ERRORS[code].category, category);
    assert.ok(inspect(error).includes(code));
  }
  for (const other of ['ISO-7777', 'toString', '']) assert.equal(esm.describeNenCode(other), undefined);
  assert.throws(() => new esm.NenError('ISO-7777'), RangeError);
  assert.ok(Object.isFrozen(esm.NEN_ERRORS) && Object.isFrozen(esm.NEN_ERRORS['ISO-3002']));
});

test('errors of the native module are NenErrors, in workers too', async () => {
  assert.throws(() => binding.Identity.fromPkcs8(Buffer.alloc(54)), esm.NenError);
  const source = `
    const { parentPort } = require('node:worker_threads');
    const { Identity, NenError } = require(${JSON.stringify(require.resolve('@withnen/native'))});
    try { Identity.fromPkcs8(Buffer.alloc(1)); } catch (error) { parentPort.postMessage(error instanceof NenError); }
  `;
  const answers = [0, 1, 2].map(
    () =>
      new Promise((resolve, reject) => {
        new Worker(source, { eval: true }).once('message', resolve).once('error', reject);
      }),
  );
  assert.deepEqual(await Promise.all(answers), [true, true, true]);
});

test('a second copy of the package does not take the errors of the first', async () => {
  const loaded = Object.keys(require.cache).filter((path) => path.startsWith(join(root, 'dist')));
  for (const path of loaded) delete require.cache[path];
  const second = require('@withnen/native');
  assert.notEqual(second.NenError, esm.NenError);

  class Own extends esm.NenError {}
  for (const { Identity, NenError } of [esm, second]) {
    assert.throws(() => Identity.fromPkcs8(Buffer.alloc(1)), NenError);
    assert.ok(!(new NenError('ISO-9000') instanceof Own) && new Own('ISO-9000') instanceof NenError);
  }
  for (const other of [null, undefined, {}, new Error(), 'ISO-9000']) {
    assert.ok(!(other instanceof esm.NenError));
  }
  const answer = await esm.createNen({ log() {} }).withNen(() => 1)(new Request('http://localhost/api/x'));
  assert.equal(answer.status, 401);
  assert.throws(() => require('@withnen/native/express').nenExpress(esm.createNen()), /the same copy/);
});

test('misuse of the native module is an error and not a crash', () => {
  const client = new binding.Client({}, null);
  for (const misuse of [
    () => client.call('GET', '/').seal(null, -1),
    () => client.call('GET', '/').seal(null, Number.NaN),
    () => client.call('GET', '/').seal(null, 2 ** 60),
    () => client.call('GET', '/').seal('text', 0),
    () => client.call('GET', '/').open(200, null, null, 0),
    () => client.call(1, '/'),
    () => client.status('/').open(200, null, Buffer.alloc(0), 0),
    () => client.establish({}, 200, Buffer.alloc(0), 0),
    () => binding.Client.prototype.call.call({}, 'GET', '/'),
    () => new binding.Server({ prefix: 'x' }),
    () => new binding.Server({ maxBody: 0 }),
    () => new binding.Server({ identities: [Buffer.alloc(1974)] }),
  ]) {
    assert.throws(misuse, Error, String(misuse));
  }
});

test('a handshake serves once', async () => {
  const client = new binding.Client({}, null);
  const handshake = await client.handshake();
  assert.ok(JSON.parse(handshake.body).pk);
  assert.throws(() => client.establish(handshake, 200, Buffer.from('{}'), 0), { code: 'ISO-1004' });
  assert.throws(() => client.establish(handshake, 200, Buffer.from('{}'), 0), /already used/);
  assert.throws(() => handshake.body, /already used/);
});

test('every export of the native module catches panics', () => {
  for (const file of readdirSync(join(root, 'src'))) {
    const source = readFileSync(join(root, 'src', file), 'utf8');
    const exports = source.match(/#\[napi[^\]]*\](?:\s*(?:#\[[^\]]*\]|\/\/[^\n]*))*\s*pub fn \w+/g) ?? [];
    for (const item of exports) assert.match(item, /^#\[napi\([^\]]*catch_unwind/, `${file}: ${item}`);
  }
});

test('the versions of manifest, binary and crate are one', () => {
  assert.equal(binding.VERSION, manifest.version);
});

/** Loads a copy of the package in which `change` was done; returns what it prints. */
function loadCopy(change) {
  const copy = mkdtempSync(join(tmpdir(), 'nen-package-'));
  try {
    cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    change(copy);
    const script = `try { require(${JSON.stringify(join(copy, 'dist', 'index.js'))}); console.log('loaded'); }
      catch (error) { console.log(error.message); }`;
    return execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env: {} });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

const binaries = readdirSync(root).filter((name) => name.endsWith('.node'));
const addBinary = (copy) => {
  for (const name of binaries) cpSync(join(root, name), join(copy, name));
};

test('the binary beside the package is loaded', () => {
  assert.equal(loadCopy(addBinary), 'loaded\n');
});

test('without a binary, the error says what was looked for and what to do', () => {
  const message = loadCopy(() => {});
  assert.match(message, /no native binary that loads on \w+-\w+ with Node \d+/);
  assert.match(message, /nen\.[\w-]+\.node: Cannot find module/);
  assert.match(message, /@withnen\/native-[\w-]+: Cannot find module/);
  assert.match(message, /--omit=optional/);
  assert.match(message, /bundler .*serverExternalPackages: \['@withnen\/native'\]/);
});

test('a binary that does not load is named with its reason', () => {
  const message = loadCopy((copy) => {
    for (const name of binaries) writeFileSync(join(copy, name), 'not a library');
  });
  assert.match(message, /nen\.[\w-]+\.node: .*(invalid ELF header|file too short|not a|slice)/);
});

test('a binary of another version is refused', () => {
  const message = loadCopy((copy) => {
    addBinary(copy);
    writeFileSync(join(copy, 'package.json'), JSON.stringify({ ...manifest, version: '9.9.9' }));
  });
  assert.match(message, /is version 9\.9\.9, but its native binary .* is version \d+\.\d+\.\d+/);
});
