// Makes what is published, in target/npm: the package, and one package for each platform whose binary was built.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryName, manifest, platformOf, root } from './project.mjs';

const { devDependencies, scripts, napi, files, exports, main, types, type, engines, ...rest } = manifest;
// A scoped package is private unless it says otherwise.
const about = { ...rest, publishConfig: { access: 'public' } };
const repository = join(root, '..');
const output = join(repository, 'target', 'npm');
const platforms = napi.targets.map(platformOf);
const packageOf = (platform) => `${manifest.name}-${platform}`;

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });

const optionalDependencies = Object.fromEntries(
  platforms.map((platform) => [packageOf(platform), manifest.version]),
);
pack(
  { ...about, engines, type, main, types, exports, files, optionalDependencies },
  { dist: join(root, 'dist'), 'README.md': join(root, 'README.md') },
);

const built = platforms.filter((platform) => readdirSync(root).includes(binaryName(platform)));
if (built.length === 0) throw new Error('no binary was built: npm run build:native');
for (const platform of built) {
  const [os, cpu, abi] = platform.split('-');
  const libc = { gnu: 'glibc', musl: 'musl' }[abi];
  const binary = binaryName(platform);
  const { keywords, ...ofPlatform } = about;
  pack(
    {
      ...ofPlatform,
      name: packageOf(platform),
      description: `The native binary of ${manifest.name} for ${platform}`,
      engines,
      os: [os],
      cpu: [cpu],
      ...(libc && { libc: [libc] }),
      main: binary,
      files: [binary, 'LICENSE-*'],
    },
    { [binary]: join(root, binary) },
    `# ${packageOf(platform)}\n\nThe native binary of \`${manifest.name}\` for ${platform}: install that package, which brings this one.\n`,
  );
}

/** Packs a manifest, the licences, and files by their names in the package. */
function pack(content, sources, readme) {
  const staged = join(output, content.name);
  for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT'])
    cpSync(join(repository, licence), join(staged, licence));
  for (const [name, source] of Object.entries(sources))
    cpSync(source, join(staged, name), { recursive: true });
  if (readme) writeFileSync(join(staged, 'README.md'), readme);
  writeFileSync(join(staged, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
  const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', output], {
    cwd: staged,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (packed.status !== 0) throw packed.error ?? new Error(`npm pack failed for ${content.name}`);
  console.log(join(output, packed.stdout.trim()));
}
