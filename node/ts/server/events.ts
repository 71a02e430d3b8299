// What servers and clients tell the log.
//
// No event holds a key, a signature, a nonce, a body or a session id (whoever knows one can end the session by an
// unsigned request).

import type { NenError } from '../error.js';

/** Something that who operates a server or client may want to know. */
export type NenEvent =
  /** A request was answered with an error of the protocol, of which only code and message were sent. */
  | (EventText & {
      readonly event: 'refused';
      readonly code: string;
      readonly name: string;
      readonly status: number;
      readonly detail: string | undefined;
      readonly hint: string;
      readonly method: string;
      readonly path: string;
    })
  /** The application's handler, or its stream, failed; `error` is what it threw. The client got ISO-9000 or less. */
  | (EventText & {
      readonly event: 'handler-failed';
      readonly error: unknown;
      readonly method: string;
      readonly path: string;
    })
  /** A session endpoint did what it was asked for. */
  | (EventText & { readonly event: 'handshake' | 'rotate' | 'terminate' })
  /** Something about the set-up of the server, once. */
  | (EventText & { readonly event: 'configuration' })
  /** A client made its session anew, because `server` has lost it, or goes by the clock of `server` from now on. */
  | (EventText & { readonly event: 'reestablished' | 'clock-corrected'; readonly server: string });

interface EventText {
  readonly level: 'info' | 'warn' | 'error';
  /** One line of text. */
  readonly message: string;
}

/** Where events go. What it throws, or rejects with, is ignored. */
export type NenLog = (event: NenEvent) => void;

/** The default: warnings and errors, on the console. */
export function logToConsole(event: NenEvent): void {
  if (event.level === 'info') return;
  // The message holds a path, whose percent-encoding must not be read as a format: /caf%c3%a9 would hide the error.
  if (event.event === 'handler-failed') console.error('nen: %s', event.message, event.error);
  else console[event.level](`nen: ${event.message}`);
}

export class Events {
  readonly #log: NenLog;

  constructor(log: NenLog) {
    this.#log = log;
  }

  refused(error: NenError, method: string, target: string): void {
    const { code, name, status, detail, hint } = error;
    const [path, printableMethod] = [pathOf(target), printable(method)];
    const why = detail === undefined ? '' : ` (${detail})`;
    const message = `${printableMethod} ${path}: ${code} ${name}${why}. ${hint}`;
    const level = status >= 500 ? 'error' : 'warn';
    this.#tell({
      event: 'refused',
      level,
      message,
      code,
      name,
      status,
      detail,
      hint,
      method: printableMethod,
      path,
    });
  }

  handlerFailed(error: unknown, method: string, target: string): void {
    const [path, printableMethod] = [pathOf(target), printable(method)];
    const message = `${printableMethod} ${path}: the application's handler failed`;
    this.#tell({ event: 'handler-failed', level: 'error', message, error, method: printableMethod, path });
  }

  lifecycle(event: 'handshake' | 'rotate' | 'terminate'): void {
    this.#tell({ event, level: 'info', message: `session ${event}` });
  }

  configuration(message: string): void {
    this.#tell({ event: 'configuration', level: 'warn', message });
  }

  reestablished(server: string): void {
    const message = `${server} has lost the session: a new one was made`;
    this.#tell({ event: 'reestablished', level: 'info', message, server });
  }

  clockCorrected(server: string): void {
    const message = `the clock here differs from that of ${server}, and is corrected by it`;
    this.#tell({ event: 'clock-corrected', level: 'warn', message, server });
  }

  #tell(event: NenEvent): void {
    try {
      // An async function is taken for one that returns nothing; its rejection would end the process.
      const logged: unknown = this.#log(event);
      if (logged instanceof Promise) logged.catch(() => {});
    } catch {
      // A log that fails must not change what a client is answered.
    }
  }
}

/** The path without its query, which may hold what is nobody's business. */
function pathOf(target: string): string {
  return printable(target.split('?', 1)[0] ?? '');
}

/** No request may forge a line of the log, or fill it. */
function printable(text: string): string {
  const short = text.length <= 256 ? text : `${text.slice(0, 256)}...`;
  return short.replace(/[^\x20-\x7e]/g, '?');
}
