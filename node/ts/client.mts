// The same module for import as for require, so that there is one NenError.

export type {
  Fetch,
  ForeignResponse,
  NenClientOptions,
  NenCode,
  NenErrorInfo,
  NenFetch,
  NenResponse,
  NenStream,
  SealedResponse,
} from './client.js';
export {
  createNenFetch,
  createNenStream,
  describeNenCode,
  Identity,
  NEN_ERRORS,
  NenClient,
  NenError,
  NenHttpError,
} from './client.js';
