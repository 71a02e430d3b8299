// The answer to a protected request: what the application does to its `ServerResponse`, sealed.
//
// The methods of the response are replaced on the response itself, so that everything that writes to it is sealed:
// frameworks, `pipe`, error handlers. What is sent goes out by the methods that were there before, which may be those of
// a middleware in front.

import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import { type Answer, binding, type Exchange, type StreamSealer, type WholeForm } from '../binding.js';
import { Collected } from '../collected.js';
import type { Guard } from '../server/guard.js';
import type { Incoming } from '../server/incoming.js';
import { type HeadArguments, mergeHead } from './head.js';
import { bytesOf, type Callback, type EndArguments, endArguments, type WriteArguments } from './write.js';

const HIDDEN = new Set(binding.hiddenAnswerHeaders());
const STREAM_HEADERS = binding.streamHeaders();

/** Headers that tell of the connection, not of the answer. */
const OF_THE_CONNECTION = new Set(['connection', 'keep-alive', 'date', 'transfer-encoding']);

/**
 * What has come of an answer: nothing, its head, a body that is sealed `whole` or as a `stream`. `sealing` and `refused`
 * are answers that no longer take anything from the application, and are `sent` later. Then Node does what is left.
 */
type Phase = 'fresh' | 'headed' | 'whole' | 'stream' | 'sealing' | 'refused' | 'sent';

const answers = new WeakMap<ServerResponse, SealedAnswer>();

/** The sealed answer that a response belongs to, if its request is protected. */
export function answerOf(response: ServerResponse): SealedAnswer | undefined {
  return answers.get(response);
}

export class SealedAnswer {
  readonly #guard: Guard;
  readonly #incoming: Incoming;
  readonly #exchange: Exchange;
  readonly #response: ServerResponse;
  readonly #inner: Pick<ServerResponse, (typeof INNER)[number]>;
  /** The headers that were set in front of nen, and stay whatever happens. */
  readonly #earlier: OutgoingHttpHeaders;
  readonly #isHead: boolean;
  #phase: Phase = 'fresh';
  #hasEnded = false;
  #isSendingHead = false;
  #status = 200;
  #form: WholeForm = 'json';
  #collected: Collected | undefined;
  #sealer: StreamSealer | undefined;

  /** From here on, whatever is written to `response` is sealed. */
  constructor(
    guard: Guard,
    incoming: Incoming,
    exchange: Exchange,
    response: ServerResponse,
    earlier: OutgoingHttpHeaders,
  ) {
    this.#guard = guard;
    this.#incoming = incoming;
    this.#exchange = exchange;
    this.#response = response;
    this.#earlier = earlier;
    this.#isHead = incoming.method === 'HEAD';
    this.#inner = innerOf(response);
    answers.set(response, this);
    this.#replaceMethods();
  }

  /** Answers with an error, before the application has been asked. */
  refuse(error: unknown): void {
    this.#hasEnded = true;
    this.#refuse(error);
  }

  /** The application has thrown this: ISO-9000, or, after the answer has begun, a cut connection. */
  fail(error: unknown): void {
    const answer = this.#guard.handlerFailed(error, this.#incoming);
    if (this.#phase === 'stream') this.#response.destroy();
    else if (!this.#hasEnded) this.#refuseWith(answer);
  }

  #replaceMethods(): void {
    const response = this.#response;
    const inner = this.#inner;
    // While our head is on its way out, middlewares in front may still add to it.
    const isHeaded = () => this.#phase !== 'fresh' && !this.#isSendingHead;
    const beforeHead = <A extends unknown[], R>(method: (...args: A) => R) => {
      return (...args: A): R => {
        if (isHeaded()) throw headersSent();
        return method(...args);
      };
    };
    const writeHead = beforeHead((...args: HeadArguments) => {
      this.#writeHead(args);
      return response;
    });
    const say = (...args: unknown[]) => later(args.at(-1));
    const methods = {
      writeHead,
      writeHeader: writeHead,
      _implicitHeader: () => this.#implicitHead(),
      setHeader: beforeHead(inner.setHeader),
      setHeaders: beforeHead(inner.setHeaders),
      appendHeader: beforeHead(inner.appendHeader),
      removeHeader: beforeHead(inner.removeHeader),
      flushHeaders: () => this.#flushHeaders(),
      write: (...args: WriteArguments) => this.#write(args),
      end: (...args: EndArguments) => {
        this.#end(args);
        return response;
      },
      // While an error is on its way, the application cannot cut it off.
      destroy: (error?: Error) => (this.#phase === 'refused' ? response : inner.destroy(error)),
      // These would travel in the clear, and the protocol knows none of them.
      writeEarlyHints: say,
      writeInformation: say,
      addTrailers: say,
    };
    for (const [name, value] of Object.entries(methods)) {
      Object.defineProperty(response, name, { value, configurable: true, writable: true });
    }
    Object.defineProperty(response, 'headersSent', { get: isHeaded, configurable: true, enumerable: true });
    const hasEnded = () => this.#hasEnded || response.finished;
    Object.defineProperty(response, 'writableEnded', { get: hasEnded, configurable: true, enumerable: true });
  }

  #writeHead(args: HeadArguments): void {
    this.#status = mergeHead(this.#response, args);
    this.#phase = 'headed';
  }

  /** By `writeHead`, which a middleware may have replaced after us. */
  #implicitHead(): void {
    if (this.#phase === 'fresh') this.#response.writeHead(this.#response.statusCode);
  }

  #flushHeaders(): void {
    this.#begin(false);
    if (this.#phase === 'stream' || this.#phase === 'sent') this.#inner.flushHeaders();
  }

  /** Decides how the answer is sealed, when nothing about it can change any more. */
  #begin(isEmpty: boolean): void {
    this.#implicitHead();
    if (this.#phase !== 'headed') return;
    const length = isEmpty && !this.#isHead ? '0' : this.#header('content-length');
    try {
      const type = this.#header('content-type');
      const form = binding.formOfAnswer(this.#status, type, this.#header('content-encoding'), length);
      if (form === 'stream') {
        this.#sealer = this.#exchange.stream();
      } else {
        this.#form = form;
        this.#phase = 'whole';
      }
    } catch (error) {
      this.#refuse(error);
    }
    if (this.#sealer) this.#beginStream(this.#sealer);
  }

  #beginStream(sealer: StreamSealer): void {
    this.#phase = 'stream';
    this.#sendHead(this.#status, [...STREAM_HEADERS, [binding.STREAM_NONCE_HEADER, sealer.nonceHeader]]);
  }

  #write([chunk, encoding, callback]: WriteArguments): boolean {
    if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
    if (this.#phase === 'sent') return this.#inner.write(chunk, encoding as BufferEncoding, callback);
    if (this.#hasEnded) return this.#drop(callback, writeAfterEnd());
    const bytes = bytesOf(chunk, encoding);
    this.#begin(false);
    if (this.#phase === 'stream') return this.#writeStream(bytes, callback);
    if (this.#phase === 'whole' && this.#collect(bytes)) {
      later(callback);
      return true;
    }
    return this.#drop(callback, refused());
  }

  #end(args: EndArguments): void {
    const [chunk, encoding, callback] = endArguments(args);
    if (this.#phase === 'sent') {
      this.#inner.end(chunk as string, encoding as BufferEncoding, callback);
      return;
    }
    if (this.#hasEnded) {
      if (chunk) this.#drop(callback, writeAfterEnd());
      else if (callback) this.#response.once('finish', callback);
      return;
    }
    const bytes = chunk ? bytesOf(chunk, encoding) : EMPTY;
    this.#begin(bytes.length === 0);
    this.#hasEnded = true;
    if (callback) this.#response.once('finish', callback);
    if (this.#phase === 'stream') this.#endStream(bytes);
    else if (this.#phase === 'whole') this.#endWhole(bytes);
  }

  #collect(bytes: Uint8Array): boolean {
    this.#collected ??= new Collected();
    if (this.#collected.length + bytes.length > this.#guard.maxAnswer) {
      this.#refuse(this.#guard.answerTooLong());
      return false;
    }
    this.#collected.add(bytes);
    return true;
  }

  #endWhole(last: Uint8Array): void {
    let body = last;
    if (this.#collected) {
      if (!this.#collect(last)) return;
      body = this.#collected.bytes();
    }
    this.#phase = 'sealing';
    const deliver = (answer: Answer) => this.#deliver(answer, body.length === 0);
    const refuse = (error: unknown) => this.#refuse(error);
    let sealed: Answer | Promise<Answer>;
    try {
      sealed = this.#guard.seal(this.#exchange, this.#form, this.#status, body);
    } catch (error) {
      refuse(error);
      return;
    }
    if (sealed instanceof Promise) sealed.then(deliver, refuse).catch((error) => this.#cut(error));
    else deliver(sealed);
  }

  #deliver({ status, body }: Answer, wasEmpty: boolean): void {
    const told = this.#isHead && wasEmpty ? this.#header('content-length') : null;
    const size = told === null ? body.length : binding.sealedSizeOfHead(this.#form, told);
    this.#send(status, body, size);
  }

  /** Sends a whole answer, which no cache may keep. */
  #send(status: number, body: Buffer, size: number | null): void {
    const headers: [string, string][] = [
      ['Content-Type', binding.JSON_CONTENT_TYPE],
      ['Cache-Control', 'no-store'],
    ];
    if (size !== null) headers.push(['Content-Length', String(size)]);
    this.#sendHead(status, headers);
    this.#phase = 'sent';
    this.#inner.end(this.#isHead ? undefined : body);
  }

  #writeStream(bytes: Uint8Array, callback: Callback | undefined): boolean {
    const { maxChunk } = this.#guard;
    if (this.#isHead || bytes.length === 0) {
      later(callback);
      return !this.#response.writableNeedDrain;
    }
    let isRoom = true;
    for (let start = 0; start < bytes.length; start += maxChunk) {
      const end = Math.min(start + maxChunk, bytes.length);
      const frame = this.#seal((sealer) => sealer.seal(bytes.subarray(start, end)));
      if (frame === undefined) return this.#drop(callback, refused());
      isRoom = this.#inner.write(frame, 'latin1', end === bytes.length ? callback : undefined);
    }
    return isRoom;
  }

  #endStream(bytes: Uint8Array): void {
    this.#writeStream(bytes, undefined);
    const mark = this.#isHead ? undefined : this.#seal((sealer) => sealer.finish());
    this.#phase = 'sent';
    this.#inner.end(mark);
  }

  #seal(work: (sealer: StreamSealer) => Buffer): Buffer | undefined {
    try {
      return work(this.#sealer as StreamSealer);
    } catch (error) {
      this.#cut(error);
      return undefined;
    }
  }

  #cut(error: unknown): void {
    this.#guard.refuse(error, this.#incoming);
    this.#inner.destroy();
  }

  #refuse(error: unknown): void {
    this.#refuseWith(this.#guard.refuse(error, this.#incoming));
  }

  #refuseWith({ status, body }: Answer): void {
    this.#phase = 'refused';
    this.#collected = undefined;
    const send = () => {
      this.#forgetHeaders();
      this.#send(status, body, body.length);
    };
    if (this.#hasEnded) send();
    else process.nextTick(() => this.#stopSource(send));
  }

  /** Sends an error while the application goes on with its answer: to it, the client has gone. */
  #stopSource(send: () => void): void {
    const response = this.#response as ServerResponse & { _closed: boolean };
    if (response.destroyed) return;
    const wasEnded = this.#hasEnded;
    try {
      if (!wasEnded) response.emit('close');
    } finally {
      this.#hasEnded = true;
      send();
      if (!wasEnded) {
        this.#phase = 'refused'; // for good: what the application still says is dropped
        response._closed = true; // 'close' comes once
        // Not earlier: Deno takes nothing more from a connection whose response was destroyed before its end.
        response.once('finish', () => {
          response.destroyed = true;
        });
      }
    }
  }

  /** Forgets all that the application has said of an answer that is not sent. */
  #forgetHeaders(): void {
    for (const name of this.#response.getHeaderNames()) {
      if (!OF_THE_CONNECTION.has(name)) this.#inner.removeHeader(name);
    }
    for (const [name, value] of Object.entries(this.#earlier)) {
      if (value !== undefined) this.#inner.setHeader(name, value);
    }
  }

  #sendHead(status: number, headers: [string, string][]): void {
    const response = this.#response;
    this.#isSendingHead = true;
    try {
      for (const name of response.getHeaderNames()) {
        // Node closes the connection after a stream whose Transfer-Encoding was removed.
        if (name === 'transfer-encoding' && this.#sealer && response.useChunkedEncodingByDefault) {
          this.#inner.setHeader(name, 'chunked');
        } else if (HIDDEN.has(name)) {
          this.#inner.removeHeader(name);
        }
      }
      for (const [name, value] of headers) this.#inner.setHeader(name, value);
      this.#inner.writeHead(status, STATUS_CODES[status] ?? 'unknown');
    } finally {
      this.#isSendingHead = false;
    }
  }

  #header(name: string): string | null {
    const value = this.#response.getHeader(name);
    if (value === undefined) return null;
    return String(Array.isArray(value) ? value.at(-1) : value);
  }

  /** What Node does with a write that comes too late. */
  #drop(callback: Callback | undefined, error: Error): false {
    process.nextTick(() => callback?.(error));
    return false;
  }
}

const EMPTY = new Uint8Array();

const INNER = [
  'writeHead',
  'setHeader',
  'setHeaders',
  'appendHeader',
  'removeHeader',
  'flushHeaders',
  'write',
  'end',
  'destroy',
] as const;

function innerOf(response: ServerResponse): Pick<ServerResponse, (typeof INNER)[number]> {
  const bound = INNER.map((name) => [name, (response[name] as () => unknown).bind(response)]);
  return Object.fromEntries(bound);
}

function later(callback: unknown): void {
  if (typeof callback === 'function') process.nextTick(callback as () => void);
}

function headersSent(): Error {
  const error = new Error('Cannot set headers after they are sent to the client');
  return Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' });
}

function writeAfterEnd(): Error {
  return Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' });
}

function refused(): Error {
  const error = new Error('the answer was refused: nobody reads it');
  return Object.assign(error, { code: 'ERR_STREAM_DESTROYED' });
}
