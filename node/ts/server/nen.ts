// A server of one configuration, and the default one.

import type { SessionStore } from '../stores/session-store.js';
import { Guard } from './guard.js';
import type { NenOptions } from './options.js';
import { type Nen, webHandlers } from './web.js';

const guards = new WeakMap<Nen, () => Guard>();

/**
 * All handlers, bound to one configuration. They may be taken out of the object: `const { withNen } = createNen(…)`.
 * Throws TypeError for an option that cannot be.
 */
export function createNen(options: NenOptions = {}): Nen {
  const guard = new Guard(options);
  return nenOf(() => guard);
}

let current: Guard | undefined;

/** The configuration behind the functions of the module: an `InMemorySessionStore`, until `setSessionStore`. */
export const defaultNen: Nen = nenOf(() => {
  current ??= new Guard();
  return current;
});

/** Chooses where the functions of the module, `handleHandshake` and the others, keep sessions. */
export function setSessionStore(store: SessionStore): void {
  if (current) current.store = store;
  else current = new Guard({ store });
}

/** Where the functions of the module keep sessions. */
export function getSessionStore(): SessionStore {
  return guardOf(defaultNen).store;
}

/** What is behind the handlers. */
export function guardOf(nen: Nen): Guard {
  const guard = guards.get(nen);
  if (guard === undefined) throw new TypeError('this is not what createNen returned');
  return guard();
}

function nenOf(guard: () => Guard): Nen {
  const nen = webHandlers(guard);
  guards.set(nen, guard);
  return nen;
}
