// `@withnen/native/server`

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

/** The handlers of the default configuration, whose store is `setSessionStore`'s. Each is described at `Nen`. */
export const {
  handleHandshake,
  handleRotate,
  handleTerminate,
  handleStatus,
  handleSession,
  withNen,
  withNenStream,
  protect,
  verifyRequest,
  decryptBody,
  encryptResponse,
  errorResponse,
} = defaultNen;
