// Does binding.ts declare what the native module has? The compiler is asked whether an object with its names fits.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binding } from '../dist/binding.js';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Interfaces that are not named as their class. */
const INTERFACES = {
  Call: 'NativeCall',
  Client: 'NativeClient',
  Handshake: 'NativeHandshake',
  Identity: 'NativeIdentity',
  Server: 'NativeServer',
};
/** Classes that JavaScript gets from methods alone. */
const RETURNED = ['Accepted', 'AdmitCall', 'Call', 'EndpointCall', 'Exchange', 'Handshake', 'LifecycleCall'];
RETURNED.push('StreamOpener', 'StreamSealer');

const SHAPE = `
  type Kind<V> = V extends (...args: never[]) => unknown ? 'function' : V extends string ? 'string' :
    V extends number ? 'number' : 'class';
  type Shape<T> = { [K in keyof T as K extends string ? K : never]: Kind<T[K]> };
  type Members<T> = { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? 'method' : 'getter' };
`;

const isClass = (value) =>
  typeof value === 'function' && Object.hasOwn(value, 'prototype') && /^[A-Z]/.test(value.name);
const named = (names, kind) => Object.fromEntries(names.map((name) => [name, kind(name)]));

function shapes() {
  const classes = Object.entries(binding).filter(([, value]) => isClass(value));
  const top = Object.keys(binding).filter((name) => !RETURNED.includes(name));
  const kindOf = (name) => (isClass(binding[name]) ? 'class' : typeof binding[name]);
  const members = classes.map(([name, { prototype }]) => {
    const { constructor: _, ...own } = Object.getOwnPropertyDescriptors(prototype);
    return [
      `Members<native.${INTERFACES[name] ?? name}>`,
      named(Object.keys(own), (member) => (own[member].get ? 'getter' : 'method')),
    ];
  });
  const statics = (name) =>
    Object.getOwnPropertyNames(binding[name]).filter(
      (name) => !['length', 'name', 'prototype', 'arguments', 'caller'].includes(name),
    );
  return [
    ['Shape<native.Binding>', named(top, kindOf)],
    ["Shape<native.Binding['Identity']>", named(statics('Identity'), () => 'function')],
    ["Shape<native.Binding['Session']>", named(statics('Session'), () => 'function')],
    ...members,
  ];
}

function compile(shapes) {
  const folder = mkdtempSync(join(tmpdir(), 'nen-binding-'));
  try {
    const lines = shapes.map(
      ([type, value], at) => `export const a${at}: ${type} = ${JSON.stringify(value)};`,
    );
    const source = `import type * as native from ${JSON.stringify(join(root, 'ts/binding.js'))};`;
    writeFileSync(join(folder, 'shapes.ts'), [source, SHAPE, ...lines].join('\n'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const options = '--noEmit --strict --module nodenext --target es2022 --types node --typeRoots'.split(' ');
    const args = [...options, join(root, 'node_modules/@types'), 'shapes.ts'];
    const { stdout, status } = spawnSync(join(root, 'node_modules/.bin/tsc'), args, {
      cwd: folder,
      encoding: 'utf8',
    });
    return { stdout, status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('binding.ts names every export, method and getter of the binary, and no other', () => {
  const { stdout, status } = compile(shapes());
  assert.equal(status, 0, stdout);
});

test('a name that only one side has is found', () => {
  const [[top, { kemGenerate, ...fewer }], identity, session, [members, first]] = shapes();
  const { stdout } = compile([[top, fewer], identity, session, [members, { ...first, more: 'method' }]]);
  assert.match(stdout, /'kemGenerate' is missing/);
  assert.match(stdout, /more"' does not exist/);
  assert.equal(stdout.match(/error TS/g).length, 2, stdout);
});
