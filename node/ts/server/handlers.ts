// The Web-standard handlers of a server.

// biome-ignore-all lint/suspicious/noExplicitAny: only the application knows what its JSON and its arguments are

import type { Peer } from './peer.js';

/** All handlers of one configuration. Each may be taken out of the object. */
export interface Nen {
  /** `POST …/handshake`: opens a session. */
  readonly handleHandshake: (request: Request) => Promise<Response>;
  /** `POST …/rotate`: replaces a session by a new one. */
  readonly handleRotate: (request: Request) => Promise<Response>;
  /** `POST …/terminate`: ends a session. */
  readonly handleTerminate: (request: Request) => Promise<Response>;
  /** `GET …/status`: tells whether a session lives. */
  readonly handleStatus: (request: Request) => Promise<Response>;
  /** All four, by method and path; anything else is answered with 404. */
  readonly handleSession: (request: Request) => Promise<Response>;

  /**
   * Protects one endpoint: checks each request, opens its body, and seals what the handler returns.
   *
   * A value is sealed as JSON with the status 200. Of a `Response`, status and headers are kept; its body is sealed
   * whole if it is JSON or empty, and as text for 3xx and 4xx, and else as a stream. A handler that fails, and a 5xx
   * that is not JSON, is answered with ISO-9000.
   *
   * @throws TypeError for an option or handler that cannot be.
   */
  readonly withNen: <R extends Request = Request, Rest extends any[] = any[]>(
    handler: NenHandler<R, Rest>,
    options?: ProtectOptions,
  ) => (request: R, ...rest: Rest) => Promise<Response>;

  /**
   * Protects one endpoint that streams: every chunk of what the handler returns is sealed and sent by itself, at the
   * pace of the client. When the client leaves, the source is ended: `return()` of an iterator, `cancel()` of a stream.
   * An async generator takes its end at its next `yield`; until then the request's `signal` tells it, where the server has
   * one.
   *
   * A `Response` may tell status and headers; one of 3xx, 4xx or 5xx is sealed as by {@link withNen}.
   *
   * @throws TypeError for an option or handler that cannot be.
   */
  readonly withNenStream: <R extends Request = Request, Rest extends any[] = any[]>(
    handler: NenStreamHandler<R, Rest>,
    options?: ProtectOptions,
  ) => (request: R, ...rest: Rest) => Promise<Response>;

  /**
   * Protects a whole Web application, such as Hono's `app.fetch`: answers the session endpoints, gives the application
   * every other request with its body opened, and seals the `Response` as {@link withNen} does. Further arguments are
   * passed on.
   */
  readonly protect: <Rest extends any[] = any[]>(
    fetch: (request: Request, ...rest: Rest) => Response | Promise<Response>,
    options?: ProtectOptions,
  ) => (request: Request, ...rest: Rest) => Promise<Response>;

  /**
   * Checks a request by its headers, for a wrapper of one's own; the body is not read yet. Throws {@link NenError}:
   * ISO-2003, ISO-2002, ISO-3005, ISO-3001, ISO-3002, ISO-3003, ISO-5001, ISO-5002, ISO-9001.
   */
  readonly verifyRequest: (request: Request, options?: ProtectOptions) => Promise<VerifiedRequest>;
  /** Reads and opens the body of a request, once; null without one. Throws: ISO-6001, ISO-6002, ISO-4001, ISO-4003. */
  readonly decryptBody: (verified: VerifiedRequest) => Promise<any>;
  /** Seals an answer: a value, or a `Response`, as by {@link withNen}. Throws: ISO-9000, ISO-4002. */
  readonly encryptResponse: (
    verified: VerifiedRequest,
    value: unknown,
    init?: ResponseInit,
  ) => Promise<Response>;
  /**
   * The plain answer `{"error": {"code", "message"}}` to a request that one of the three refused; what was found is told
   * to the log. Anything but a {@link NenError} becomes ISO-9000.
   */
  readonly errorResponse: (error: unknown, request: Request) => Response;
}

/** The options of `withNen`, `withNenStream`, `protect` and `verifyRequest`. */
export interface ProtectOptions {
  /**
   * Whether requests without a signature are refused. Default: that of `createNen`, which is true by default. Where one
   * endpoint takes them, every nonce must be remembered as long as its session, from the first request on: set it up
   * before, by a wrapper or `createNen`, and not by `verifyRequest` alone.
   */
  strict?: boolean | undefined;
}

/**
 * Answers a protected request. `body` is the JSON that the client sealed; null without a body. `rest` is what the
 * framework passes after the request, for example the context of a Next.js route.
 */
export type NenHandler<R extends Request = Request, Rest extends any[] = any[]> = (
  request: R,
  body: any,
  ...rest: Rest
) => unknown;

/** Answers a protected request by a stream. */
export type NenStreamHandler<R extends Request = Request, Rest extends any[] = any[]> = (
  request: R,
  body: any,
  ...rest: Rest
) => NenChunks | Response | Promise<NenChunks | Response>;

/** What a stream is made of: text, which is sent as UTF-8, or bytes. */
export type NenChunks =
  | AsyncIterable<string | ArrayBufferView>
  | Iterable<string | ArrayBufferView>
  | ReadableStream<string | ArrayBufferView>;

/** A request that was checked, and not yet opened: what `verifyRequest` returns. */
export interface VerifiedRequest {
  readonly request: Request;
  readonly peer: Peer;
}
