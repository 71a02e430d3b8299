// Every block and every command of the documentation runs as it stands.
//
// A page is one story. A block that begins with `// name.mjs` is that file. `node server.mjs`, `next dev` and
// `next start` start a server, at a port of ours in place of 3000, which runs until the page starts another one; any
// other command ends. All other JavaScript of a page is one module, which runs at its end. A line
// `console.log(...); // this` prints this, after what the lines before it print. A page that names port 6379 has a
// Redis, and all have a store key; one with TypeScript is a Next.js project.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, Program } from './program.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NODE = join(ROOT, 'node');
/** Where the Makefile installs Next.js, as test/next/package-lock.json has it. */
const NEXT = join(ROOT, 'target/nextjs');

const STORE_KEY = randomBytes(32).toString('base64');

const PAGES = readdirSync(join(ROOT, 'docs/node'))
  .sort()
  .map((name) => join(ROOT, 'docs/node', name))
  .concat(join(NODE, 'README.md'));

const BLOCK = /^```(\w*)\n(.*?)^```$/gms;
const NAMED = /^\/\/ (\S+\.m?[jt]s)\n/;
const PROMISED = /\bconsole\.log\(.*\); \/\/ (.*)$/gm;
/** The languages of blocks that are there to be seen. */
const SHOWN = ['json', 'nginx', 'text'];

/** What a page has its reader do, in order. */
function* steps(page) {
  const loose = [];
  for (const [, language, text] of page.matchAll(BLOCK)) {
    const file = NAMED.exec(text)?.[1];
    if (language === 'sh') yield* text.split('\n').flatMap((line) => (line ? { run: line } : []));
    else if (file) yield { save: file, text };
    else if (language === 'js') loose.push(text);
  }
  if (loose.length > 0) {
    yield { save: 'page.mjs', text: loose.join('\n') };
    yield { run: 'node page.mjs' };
  }
}

/** Someone who does what a page says. */
class Reader {
  #folder;
  #ports;
  #server;
  /** What the server promised to print: its file may be another one by the time that it ends. */
  #promised;
  #promises = new Map();

  constructor(folder, ports) {
    this.#folder = folder;
    this.#ports = ports;
  }

  async follow({ save, run, text }) {
    if (save) this.#save(save, this.#withOurPorts(text));
    else await this.#run(run);
  }

  /** Ends the server, which must have printed what it promised. */
  async close() {
    const server = this.#server;
    this.#server = undefined;
    await server?.end();
    if (server) this.#holds(this.#promised, server.output);
  }

  #save(file, text) {
    const path = join(this.#folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    this.#promises.set(
      file,
      [...text.matchAll(PROMISED)].map(([, promise]) => promise),
    );
  }

  async #run(line) {
    const [command, ...args] = line.replace(/\s+#.*/, '').split(/\s+/);
    if (command === 'npm') return this.#isInstalled(args.slice(1));
    if (command === 'npx') args[0] = join(this.#folder, 'node_modules/.bin', args[0]);
    const serves = args[0] === 'server.mjs' || ['dev', 'start'].includes(args[1]);
    if (serves) await this.close();
    const env = {
      ...process.env,
      PORT: `${this.#ports.http}`,
      NEN_STORE_KEY: STORE_KEY,
      NEXT_TELEMETRY_DISABLED: '1',
    };
    const program = new Program(process.execPath, args, { cwd: this.#folder, env });
    if (serves) {
      this.#server = program;
      this.#promised = this.#promises.get(args[0]);
      return program.listens(this.#ports.http);
    }
    try {
      assert.equal(await program.status(), 0, `${line}\n${program.output}\n${this.#server?.output ?? ''}`);
    } finally {
      await program.end();
    }
    this.#holds(this.#promises.get(args[0]), program.output);
  }

  #isInstalled(names) {
    for (const name of names.filter((name) => !name.startsWith('-'))) {
      const found = [this.#folder, NODE].some((folder) => existsSync(join(folder, 'node_modules', name)));
      assert.ok(found || name === '@withnen/native', `npm install ${name}: that is not here`);
    }
  }

  #holds(promises, output) {
    const printed = output.split('\n');
    let at = 0;
    for (const promise of promises ?? []) {
      at = printed.indexOf(promise, at) + 1;
      assert.ok(at > 0, `not printed: ${promise}; but:\n${output}\n${this.#server?.output ?? ''}`);
    }
  }

  #withOurPorts(text) {
    return text.replaceAll(/\b3000\b/g, this.#ports.http).replaceAll(/\b6379\b/g, this.#ports.redis);
  }
}

/** A folder in which the package and what it is used with can be imported. */
function folderFor(t) {
  const folder = mkdtempSync(join(NODE, 'test/.page-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The Next.js project: what an earlier run left is removed, and the package is in it as it is published. */
function nextProject() {
  assert.ok(existsSync(join(NEXT, 'node_modules')), 'there is no Next.js: `make target/nextjs/.installed`');
  const keep = ['.installed', 'node_modules', ...readdirSync(join(NODE, 'test/next'))];
  for (const name of readdirSync(NEXT)) {
    if (!keep.includes(name)) rmSync(join(NEXT, name), { recursive: true });
  }
  const native = join(NEXT, 'node_modules/@withnen/native');
  rmSync(native, { recursive: true, force: true });
  const published = readdirSync(NODE).filter((name) => /^(package\.json|dist|.*\.node)$/.test(name));
  for (const name of published) cpSync(join(NODE, name), join(native, name), { recursive: true });
  return NEXT;
}

for (const path of PAGES) {
  const page = readFileSync(path, 'utf8');
  const name = relative(ROOT, path);

  test(`${name} runs as it stands`, async (t) => {
    const folder = page.includes('```ts') ? nextProject() : folderFor(t);
    const ports = { http: await freePort(), redis: await freePort() };
    if (page.includes('6379')) {
      const redis = new Program('redis-server', ['--port', `${ports.redis}`, '--save', '']);
      t.after(() => redis.end());
      await redis.listens(ports.redis);
    }
    const reader = new Reader(folder, ports);
    try {
      for (const step of steps(page)) await reader.follow(step);
    } finally {
      await reader.close();
    }
  });

  test(`no block of ${name} is passed over`, () => {
    const fences = page.match(/^ *(```|~~~)/gm) ?? [];
    const blocks = [...page.matchAll(BLOCK)];
    assert.equal(blocks.length, fences.length / 2);
    for (const [, language, text] of blocks) {
      assert.ok(['js', 'sh', 'ts', ...SHOWN].includes(language), language);
      if (language === 'ts') assert.match(text, NAMED);
    }
  });
}
