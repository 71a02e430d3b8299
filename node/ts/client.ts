// `@withnen/native/client`

export { Identity } from './client/identity.js';
export { createNenFetch, createNenStream, type NenFetch, type NenStream } from './client/lazy.js';
export { type CallOptions, NenClient } from './client/nen-client.js';
export type { NenClientOptions } from './client/options.js';
export {
  type ForeignResponse,
  NenHttpError,
  type NenResponse,
  type SealedResponse,
} from './client/response.js';
export type { Fetch } from './client/transport.js';
export {
  describeNenCode,
  NEN_ERRORS,
  type NenCode,
  NenError,
  type NenErrorInfo,
} from './error.js';
export type { NenEvent, NenLog } from './server/events.js';
