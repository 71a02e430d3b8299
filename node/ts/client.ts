// `@withnen/native/client`

export {
  describeNenCode,
  NEN_ERRORS,
  type NenCode,
  NenError,
  type NenErrorInfo,
} from './error.js';
export { Identity } from './identity.js';
export { createNenFetch, createNenStream, type NenFetch, type NenStream } from './lazy.js';
export { NenClient, type NenClientOptions } from './nen-client.js';
export { type ForeignResponse, NenHttpError, type NenResponse, type SealedResponse } from './response.js';
export type { Fetch } from './transport.js';
