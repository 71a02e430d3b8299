// A server of one configuration, and the default one.

import type { SessionStore } from '../stores/session-store.js';
import { Guard } from './guard.js';
import { guardOf, nenOf } from './guards.js';
import type { Nen } from './handlers.js';
import type { NenOptions } from './options.js';

/**
 * All handlers, bound to one configuration. They may be taken out of the object: `const { withNen } = createNen(…)`.
 * Throws TypeError for an option that cannot be, and ISO-3004 for one of `identities` that is no ML-DSA-65 key.
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
  guardOf(defaultNen).store = store;
}

/** Where the functions of the module keep sessions. */
export function getSessionStore(): SessionStore {
  return guardOf(defaultNen).store;
}
