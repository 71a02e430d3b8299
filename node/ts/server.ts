// `@withnen/native/server`

import type { Nen } from './server/handlers.js';
import { defaultNen } from './server/nen.js';

export {
  describeNenCode,
  NEN_ERRORS,
  type NenCode,
  NenError,
  type NenErrorInfo,
} from './error.js';
export type { NenEvent, NenLog } from './server/events.js';
export type {
  Nen,
  NenChunks,
  NenHandler,
  NenStreamHandler,
  ProtectOptions,
  VerifiedRequest,
} from './server/handlers.js';
export { createNen, getSessionStore, setSessionStore } from './server/nen.js';
export type { NenOptions } from './server/options.js';
export { type Peer, peerOf } from './server/peer.js';
export { type InMemoryLimits, InMemorySessionStore } from './stores/memory.js';
export { type IoredisClient, type NodeRedisClient, RedisSessionStore } from './stores/redis.js';
export { type Awaitable, REMOTE_CLOCK_SLACK_MS, type SessionStore } from './stores/session-store.js';
export { UpstashSessionStore } from './stores/upstash.js';

// The handlers of the default configuration, one by one, so that an editor shows what each is for.

/** {@link Nen.handleHandshake} of the default configuration: `POST …/handshake`, which opens a session. */
export const handleHandshake: Nen['handleHandshake'] = defaultNen.handleHandshake;

/** {@link Nen.handleRotate} of the default configuration: `POST …/rotate`, which replaces a session by a new one. */
export const handleRotate: Nen['handleRotate'] = defaultNen.handleRotate;

/** {@link Nen.handleTerminate} of the default configuration: `POST …/terminate`, which ends a session. */
export const handleTerminate: Nen['handleTerminate'] = defaultNen.handleTerminate;

/** {@link Nen.handleStatus} of the default configuration: `GET …/status`, which tells whether a session lives. */
export const handleStatus: Nen['handleStatus'] = defaultNen.handleStatus;

/** {@link Nen.handleSession} of the default configuration: all four session endpoints; anything else is a 404. */
export const handleSession: Nen['handleSession'] = defaultNen.handleSession;

/**
 * {@link Nen.withNen} of the default configuration: protects one endpoint. The handler gets the request and its opened
 * JSON; the value or `Response` that it returns is sealed.
 */
export const withNen: Nen['withNen'] = defaultNen.withNen;

/**
 * {@link Nen.withNenStream} of the default configuration: protects one endpoint that streams. Every chunk of what the
 * handler returns is sealed and sent by itself.
 */
export const withNenStream: Nen['withNenStream'] = defaultNen.withNenStream;

/**
 * {@link Nen.protect} of the default configuration: protects a whole Web application, such as Hono's `app.fetch`, and
 * answers the session endpoints.
 */
export const protect: Nen['protect'] = defaultNen.protect;

/** {@link Nen.verifyRequest} of the default configuration: checks a request by its headers; throws {@link NenError}. */
export const verifyRequest: Nen['verifyRequest'] = defaultNen.verifyRequest;

/** {@link Nen.decryptBody} of the default configuration: opens the body of a request that was verified. */
export const decryptBody: Nen['decryptBody'] = defaultNen.decryptBody;

/** {@link Nen.encryptResponse} of the default configuration: seals the answer to a request that was verified. */
export const encryptResponse: Nen['encryptResponse'] = defaultNen.encryptResponse;

/** {@link Nen.errorResponse} of the default configuration: the plain answer to a request that was refused. */
export const errorResponse: Nen['errorResponse'] = defaultNen.errorResponse;
