// Failures of the protocol, by the core's table of codes.

import { binding } from './binding.js';

/** A stable code of the protocol, for example `ISO-3002`. */
export type NenCode = `ISO-${number}`;

/** A row of the table of codes. */
export interface NenErrorInfo {
  readonly code: NenCode;
  /** The symbolic name, for example `AUTH_SIGNATURE_INVALID`. */
  readonly name: string;
  /** `handshake`, `session`, `auth`, `crypto`, `replay`, `wire`, `stream` or `internal`. */
  readonly category: string;
  /** The HTTP status that a server answers with, or that best describes a failure on the client. */
  readonly status: number;
  /** One sentence that is safe to send to a peer. */
  readonly message: string;
  /** Cause and fix, for the log of the side that raised it. Not to be sent. */
  readonly hint: string;
}

/** Every code of the protocol. */
export const NEN_ERRORS: Readonly<Record<NenCode, NenErrorInfo>> = Object.freeze(
  Object.fromEntries(
    binding.errorTable().map((info) => [info.code, Object.freeze(info as NenErrorInfo)] as const),
  ),
);

/** What a code means; `undefined` for a text that is no code of the protocol. */
export function describeNenCode(code: string): NenErrorInfo | undefined {
  return Object.hasOwn(NEN_ERRORS, code) ? NEN_ERRORS[code as NenCode] : undefined;
}

/** Marks what is a `NenError` of whatever copy of this package. */
const BRAND = Symbol.for('@withnen/native NenError');

/**
 * A failure of the protocol. `message` is safe to send; `detail` (what exactly was found) and `hint` (cause and fix)
 * are for the log of this side. None of them holds a key, a plaintext or anything a peer sent.
 */
export class NenError extends Error {
  /** The stable code, for example `ISO-3002`. */
  readonly code: NenCode;
  /** The code's symbolic name, for example `AUTH_SIGNATURE_INVALID`. */
  override readonly name: string;
  /** The HTTP status of the code. */
  readonly status: number;
  /** Cause and fix. */
  readonly hint: string;
  /** What exactly was found. */
  readonly detail: string | undefined;

  constructor(code: NenCode, options: { detail?: string; cause?: unknown } = {}) {
    const info = describeNenCode(code);
    if (info === undefined) throw new RangeError(`${code} is no code of the protocol`);
    super(info.message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.name = info.name;
    this.status = info.status;
    this.hint = info.hint;
    this.detail = options.detail;
  }

  static {
    // The heading of a stack trace, which is written before the constructor sets the symbolic name.
    Object.defineProperty(NenError.prototype, 'name', {
      value: 'NenError',
      configurable: true,
      writable: true,
    });
    Object.defineProperty(NenError.prototype, BRAND, { value: true });
  }

  /**
   * Copies of this package in one process (bundles, or a module registry that was reset) share the native binary, which
   * throws the class of the copy that was loaded last.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass inherits this, and tells its own instances
    if (this !== NenError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}

binding.registerErrorFactory((code, detail) => new NenError(code as NenCode, { detail }));
