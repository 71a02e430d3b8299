// The requests that were let in.

import type { Exchange } from '../binding.js';

export const admitted = new WeakMap<object, Exchange>();

/** Records that a request was let in. Errors: TypeError if it was already. */
export function letIn(request: object, exchange: Exchange): void {
  if (admitted.has(request)) throw new TypeError('this request is protected twice: once is enough');
  admitted.set(request, exchange);
}
