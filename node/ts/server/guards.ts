// What is behind the handlers of a configuration.

import type { Guard } from './guard.js';
import type { Nen } from './handlers.js';
import { webHandlers } from './web.js';

const guards = new WeakMap<Nen, () => Guard>();

/** The handlers of a configuration, which may change. */
export function nenOf(guard: () => Guard): Nen {
  const nen = webHandlers(guard);
  guards.set(nen, guard);
  return nen;
}

/** The configuration behind handlers, now. Errors: TypeError for anything but what {@link nenOf} returned. */
export function guardOf(nen: Nen): Guard {
  const guard = guards.get(nen);
  if (guard === undefined) {
    throw new TypeError(
      'this is not what createNen returned: pass what it returned as it is, and from the same copy of @withnen/native',
    );
  }
  return guard();
}
