// What every adapter does with a request that arrives.

import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http';
import { type Answer, binding, type Endpoint, type Exchange } from '../binding.js';
import { NenError } from '../error.js';
import { admitted, letIn } from '../server/admitted.js';
import type { Guard } from '../server/guard.js';
import type { Incoming } from '../server/incoming.js';
import { readBody } from './opened-request.js';
import { answerOf, SealedAnswer } from './sealed-answer.js';

/** How long the rest of a refused body is thrown away, in milliseconds, so that its client reads the answer. */
const LINGER_MS = 2000;

export class Arrival {
  readonly #guard: Guard;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #incoming: Incoming;
  readonly #headers: IncomingHttpHeaders;
  readonly #earlier: OutgoingHttpHeaders;

  /** `target` is the path as it travelled; `earlier` are headers of the answer that were set in front of nen. */
  constructor(
    guard: Guard,
    request: IncomingMessage,
    response: ServerResponse,
    { target = request.url ?? '', earlier = response.getHeaders() } = {},
  ) {
    this.#guard = guard;
    this.#request = request;
    this.#response = response;
    this.#incoming = { method: request.method ?? '', target, headers: request.rawHeaders };
    this.#headers = request.headers;
    this.#earlier = earlier;
  }

  /** The session endpoint that is asked for; null if it is the application. */
  get endpoint(): Endpoint | 'not-found' | null {
    return this.#guard.route(this.#incoming);
  }

  /** Answers a session endpoint. */
  async answerSession(endpoint: Endpoint | 'not-found'): Promise<void> {
    if (endpoint === 'not-found')
      return this.#send(404, 'text/plain; charset=utf-8', Buffer.from('Not Found'));
    try {
      this.#checkServer();
      const body = await this.#sessionBody(endpoint);
      if (body === null) return;
      this.#sendAnswer(await this.#guard.respond(endpoint, this.#incoming, body));
    } catch (error) {
      this.#refuse(error);
    }
  }

  async #sessionBody(endpoint: Endpoint): Promise<Buffer | null> {
    if (endpoint !== 'handshake' && endpoint !== 'rotate') return Buffer.alloc(0);
    const refuseLong = () => this.#guard.refuseLongHandshake();
    return this.#reading(readBody(this.#request, this.#headers, binding.MAX_HANDSHAKE_BODY, refuseLong));
  }

  /**
   * Checks the request by its headers; from here on its answer is sealed. `requests` are the objects that stand for it.
   * Undefined if there is nothing more to do: it was refused, or its client has gone.
   */
  async admit(...requests: object[]): Promise<AdmittedRequest | undefined> {
    try {
      this.#checkServer();
      const outer = answerOf(this.#response);
      if (outer || requests.some((request) => admitted.has(request))) {
        const twice = new TypeError('this request is protected twice: once is enough');
        if (outer) outer.refuse(twice);
        else this.#refuse(twice);
        return undefined;
      }
      const admission = this.#guard.admit(this.#incoming);
      const exchange = admission instanceof Promise ? await admission : admission;
      if (this.#response.destroyed) return undefined;
      for (const request of requests) letIn(request, exchange);
      return { exchange, answer: this.#sealed(exchange) };
    } catch (error) {
      this.#refuse(error);
      return undefined;
    }
  }

  /** Opens the body: to JSON, or null without one. Undefined if there is nothing more to do. */
  async open({ exchange, answer }: AdmittedRequest): Promise<Buffer | null | undefined> {
    try {
      const refuseLong = () => exchange.refuseLongBody();
      const body = await this.#reading(readBody(this.#request, this.#headers, exchange.maxBody, refuseLong));
      if (body === null) return undefined;
      const json = this.#guard.open(exchange, body);
      return json instanceof Promise ? await json : json;
    } catch (error) {
      answer.refuse(error);
      return undefined;
    }
  }

  /** Sees to work that nobody waits for: what fails unforeseen cuts its own connection, and does not end the process. */
  watch(work: Promise<unknown>): void {
    work.catch((error) => {
      this.#guard.handlerFailed(error, this.#incoming);
      this.#response.destroy();
    });
  }

  #sealed(exchange: Exchange): SealedAnswer {
    return new SealedAnswer(this.#guard, this.#incoming, exchange, this.#response, this.#earlier);
  }

  /** A body that could not be read to its end leaves bytes on the connection, which cannot be used again. */
  async #reading(body: Promise<Buffer | null>): Promise<Buffer | null> {
    try {
      return await body;
    } catch (error) {
      this.#linger();
      throw error;
    }
  }

  /**
   * Closes the connection after the answer, but not while the client still sends: it would be reset, and the answer with
   * it. What arrives is thrown away for a while.
   */
  #linger(): void {
    const request = this.#request;
    const { socket } = request;
    this.#response.shouldKeepAlive = false;
    if (request.readableEnded || !socket || typeof socket.destroySoon !== 'function') return;
    const destroySoon = socket.destroySoon;
    socket.destroySoon = () => {
      const close = () => {
        clearTimeout(timer);
        destroySoon.call(socket);
      };
      const timer = setTimeout(close, LINGER_MS).unref();
      socket.end();
      request.once('end', close).once('close', close);
    };
    request.resume();
  }

  #checkServer(): void {
    if (this.#response instanceof ServerResponse) return;
    const detail = 'the adapters for Node serve HTTP/1.1; let HTTP/2 end at a proxy in front';
    throw new NenError('ISO-9000', { detail });
  }

  /** Answers a request whose body was not read. What of it still arrives is thrown away, but not for ever. */
  #refuse(error: unknown): void {
    this.#sendAnswer(this.#guard.refuse(error, this.#incoming));
    const request = this.#request;
    if (request.complete) return;
    const timer = setTimeout(() => request.complete || request.socket?.destroy(), LINGER_MS).unref();
    request.once('close', () => clearTimeout(timer));
  }

  #sendAnswer({ status, body }: Answer): void {
    this.#send(status, binding.JSON_CONTENT_TYPE, body);
  }

  #send(status: number, type: string, body: Buffer): void {
    const response = this.#response;
    if (response.headersSent || response.destroyed) return;
    for (const [name, value] of Object.entries(this.#earlier)) {
      if (value !== undefined) response.setHeader(name, value);
    }
    response.setHeader('Content-Type', type);
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Content-Length', body.length);
    if (this.#incoming.method !== 'HEAD') response.writeHead(status).end(body);
    else response.writeHead(status).end();
  }
}

/** A request that was let in. */
export interface AdmittedRequest {
  readonly exchange: Exchange;
  readonly answer: SealedAnswer;
}
