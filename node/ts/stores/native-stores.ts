// The stores that a server asks in Rust, without a detour.

import type { MemoryStore } from '../binding.js';
import type { SessionStore } from './session-store.js';

export const nativeStores = new WeakMap<SessionStore, MemoryStore>();
