// Web-standard handlers: a `Request` comes in, a `Response` goes out.

import type { Guard } from './guard.js';

/** All handlers of one configuration. */
export type Nen = Record<never, never>;

export function webHandlers(_guard: () => Guard): Nen {
  return {};
}
