// The headers of a client's requests.

import { binding, type HeaderPairs } from '../binding.js';

/** Headers that are the protocol's to set, or speak of the plain body, which does not travel. */
const NOT_OF_THE_CALLER = binding.hiddenRequestHeaders();

/** What of the caller's headers is sent: read once for all attempts, since they may be an iterator. */
export function callerHeaders(init: RequestInit['headers']): Headers {
  const headers = new Headers(init);
  if (init !== undefined) for (const name of NOT_OF_THE_CALLER) headers.delete(name);
  return headers;
}

/** The headers of one attempt. */
export function attemptHeaders(theirs: Headers | undefined, signed: HeaderPairs, hasBody: boolean): Headers {
  const headers = new Headers(theirs);
  for (const [name, value] of signed) headers.set(name, value);
  // A sealed body cannot be compressed, and a small one that is could be of any size.
  headers.set('accept-encoding', 'identity');
  if (hasBody) headers.set('content-type', binding.JSON_CONTENT_TYPE);
  return headers;
}
