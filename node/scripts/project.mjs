// What the scripts know of the package: its manifest, and the names that napi gives to platforms.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
export const binaryName = (platform) => `${manifest.napi.binaryName}.${platform}.node`;

/** The platform in Node's words: `x86_64-unknown-linux-gnu` is `linux-x64-gnu`. */
export function platformOf(triple) {
  const [cpu, , system, abi] = triple.split('-');
  const arch = { x86_64: 'x64', aarch64: 'arm64', i686: 'ia32', armv7: 'arm' }[cpu] ?? cpu;
  const os = system === 'windows' ? 'win32' : system;
  return [os, arch, abi].filter(Boolean).join('-');
}
