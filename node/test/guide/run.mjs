// Runs the usage guide's snippets, each as it stands, in a project that has `@withnen/native` and `@types/node` in its
// node_modules: compiled by TypeScript in strict mode, as ES modules and as CommonJS, against each other.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const run = promisify(execFile);

/** Modules made of snippets, in the order in which a reader meets them; text between them is what the guide leaves out. */
const PROGRAMS = {
  route: ['1-session-routes.ts'],
  endpoint: ['3-endpoint.ts'],
  chat: ['5-stream.server.ts'],
  client: [
    '2-client.ts',
    '4-rotation.ts',
    { text: "const prompt = 'hello';" },
    '5-stream.client.ts',
    { text: 'await client.terminate();' },
  ],
  fetch: [
    { text: "import { NenClient } from '@withnen/client';\nconst client = new NenClient('');" },
    '2-fetch.ts',
    { text: "console.log('fetched', data.received.amount);" },
    '6-errors.ts',
  ],
};
const PRINTED = [
  "{\n  message: 'Securely processed',\n  received: { secret: 'Only the endpoint that needs this can read it' }\n}\n",
  'secure streaming works fetched 1840\n',
].join('');

/** Compiles the snippets and runs them in both formats, in the project `directory`. Throws what went wrong. */
export async function runGuide(directory, packageOf) {
  await compileGuide(directory, packageOf);
  for (const format of ['mjs', 'cjs']) await runCompiled(directory, format);
}

/**
 * Compiles the snippets. `@withnen/client` and `@withnen/server` become the whole package if `packageOf` says so; by
 * default its paths of the same names.
 */
export async function compileGuide(directory, packageOf = (path) => `@withnen/native/${path}`) {
  const guide = join(directory, 'guide');
  mkdirSync(guide, { recursive: true });
  for (const [name, parts] of Object.entries(PROGRAMS)) {
    const source = parts
      .map((part) => part.text ?? readFileSync(join(here, 'snippets', part), 'utf8'))
      .join('\n')
      .replace(/'@withnen\/(client|server)'/g, (_, path) => `'${packageOf(path)}'`);
    writeFileSync(join(guide, `${name}.mts`), source);
    writeFileSync(join(guide, `${name}.cts`), commonJs(source));
  }
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: false,
  };
  writeFileSync(join(guide, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }));
  await run(process.execPath, [tsc, '-p', guide]).catch((error) => assert.fail(error.stdout));
  cpSync(join(here, 'driver.mjs'), join(guide, 'driver.mjs'));
}

/** Runs what was compiled as ES modules (`mjs`) or as CommonJS (`cjs`). */
export async function runCompiled(directory, format) {
  const driver = join(directory, 'guide', 'driver.mjs');
  const { stdout, stderr } = await run(process.execPath, [driver, format]);
  assert.equal(stderr, '', format);
  assert.equal(stdout, PRINTED, format);
}

/** CommonJS has no await outside of functions: all of a client but its imports goes into one. */
function commonJs(source) {
  if (/^export /m.test(source)) return source;
  const imports = /^import [^;]*;.*$/gm;
  const head = source.match(imports).join('\n');
  return `${head}\nexport async function main() {\n${source.replace(imports, '')}\n}\n`;
}
