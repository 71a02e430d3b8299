// What a vector holds, and what is made of it.
import { inspect, isDeepStrictEqual } from 'node:util';
import { binding } from '../../../../node/dist/binding.js';
import { NenError } from '../../../../node/dist/error.js';

const LOWER_HEX = /^(?:[0-9a-f]{2})*$/;

/** The members of a vector, or of a part of one. One that is missing or has the wrong form is an error. */
export class Vector {
  #members;

  constructor(members) {
    this.#members = typed('object', 'a vector', members);
  }

  has(name) {
    return Object.hasOwn(this.#members, name);
  }

  #get(name) {
    if (!this.has(name)) throw new Error(`there is no ${name}`);
    return this.#members[name];
  }

  text(name) {
    return typed('string', name, this.#get(name));
  }

  number(name) {
    const number = this.#get(name);
    if (!Number.isSafeInteger(number)) throw new Error(`${name} is no integer`);
    return number;
  }

  /** A number as an option; none if it is left out. */
  option(name) {
    return this.has(name) ? { [name]: this.number(name) } : {};
  }

  flag(name, otherwise) {
    return this.has(name) ? typed('boolean', name, this.#get(name)) : otherwise;
  }

  /** Bytes, as text or in hex. */
  bytes(name) {
    return this.has(name) ? Buffer.from(this.text(name)) : unhex(this.#get(`${name}Hex`));
  }

  /** The same for a list. */
  list(name) {
    if (!this.has(name)) return array(name, this.#get(`${name}Hex`)).map(unhex);
    return array(name, this.#get(name)).map((text) => Buffer.from(typed('string', name, text)));
  }

  vectors(name) {
    return array(name, this.#get(name)).map((members) => new Vector(members));
  }

  /** Whether plaintext is told to be none. */
  get nothing() {
    return this.#members.plaintext === false;
  }

  /** Holds an outcome against the one that is expected: the code of an error, or what `good` says. */
  async expect(run, good) {
    let value;
    try {
      value = await run();
    } catch (error) {
      if (!(error instanceof NenError) || !this.has('error')) throw error;
      return equal(error.code, this.text('error'));
    }
    if (this.has('error')) throw new Error(`no error came, expected ${this.text('error')}`);
    await good(value);
  }

  /** Holds plaintext, or none, against what is expected. */
  expectPlaintext(plaintext) {
    if (plaintext === null) equal(this.nothing, true);
    else equal(Buffer.from(plaintext), this.bytes('plaintext'));
  }
}

export function equal(got, expected) {
  if (isDeepStrictEqual(got, expected)) return;
  const shown = (value) => inspect(Buffer.isBuffer(value) ? value.toString('latin1') : value, SHOWN);
  throw new Error(`got ${shown(got)}, expected ${shown(expected)}`);
}

const SHOWN = { breakLength: Number.POSITIVE_INFINITY, maxStringLength: 200 };

/** The session of a record in the clear. */
export function sessionOf(vector) {
  return new binding.StoreKeys(['plain']).read(vector.text('sid'), vector.text('record'), 0);
}

/** A client that shook hands. */
export function connected(file, options = {}) {
  const client = new binding.Client(options, null);
  const handshake = binding.derandomizedHandshake(file.bytes('clientDraws'));
  client.establish(handshake, 200, file.bytes('answer'), file.number('nowMs'));
  return client;
}

function typed(type, name, value) {
  if (typeof value !== type || value === null) throw new Error(`${name} has the wrong form`);
  return value;
}

function array(name, value) {
  if (!Array.isArray(value)) throw new Error(`${name} is no list`);
  return value;
}

function unhex(text) {
  if (!LOWER_HEX.test(typed('string', 'hex', text))) throw new Error('this is no hex');
  return Buffer.from(text, 'hex');
}
