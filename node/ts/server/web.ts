// Web-standard handlers: a `Request` comes in, a `Response` goes out.

import type { Guard } from './guard.js';
import type { Nen } from './handlers.js';

export function webHandlers(_guard: () => Guard): Nen {
  return {} as Nen;
}
