// Builds the native module with cargo and puts it where the loader looks, under the name that napi's tools give it.
// Usage: node scripts/build-native.mjs [--release] [--target <Rust triple>]
import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { binaryName, platformOf, root } from './project.mjs';

const { values: options } = parseArgs({
  options: { release: { type: 'boolean', default: false }, target: { type: 'string' } },
});

const args = ['build', '--package', 'nen-node', '--message-format', 'json-render-diagnostics'];
if (options.release) args.push('--release');
if (options.target) args.push('--target', options.target);
const cargo = spawnSync('cargo', args, {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (cargo.error) throw cargo.error;
if (cargo.status !== 0) process.exit(cargo.status ?? 1);

const library = cargo.stdout
  .split('\n')
  .filter((line) => line.startsWith('{'))
  .map((line) => JSON.parse(line))
  .filter((message) => message.reason === 'compiler-artifact' && message.target.name === 'nen_node')
  .flatMap((message) => message.filenames)
  .find((file) => /\.(so|dylib|dll)$/.test(file));
if (!library) throw new Error('cargo built no dynamic library');

const output = join(root, binaryName(platformOf(options.target ?? hostTriple())));
const [from, to] = [library, output].map((file) => statSync(file, { throwIfNoEntry: false }));
if (to && to.size === from.size && to.mtimeMs >= from.mtimeMs) {
  console.log(`${output} is up to date`);
} else {
  // A rename leaves processes that have the old file mapped alone.
  copyFileSync(library, `${output}.new`);
  renameSync(`${output}.new`, output);
  console.log(`built ${output}`);
}

function hostTriple() {
  const { stdout } = spawnSync('rustc', ['-vV'], { encoding: 'utf8' });
  return /^host: (.+)$/m.exec(stdout)[1];
}
