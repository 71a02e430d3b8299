// Clients that shake hands on first use.

import { data, stream } from './calls.js';
import { connectionTo } from './connection.js';
import type { NenClientOptions } from './options.js';

/** `nenFetch` of a client of its own; see {@link NenClient.nenFetch}. */
// biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
export type NenFetch = <T = any>(path: string | URL, init?: RequestInit) => Promise<T>;

/** `nenStream` of a client of its own; see {@link NenClient.nenStream}. */
export type NenStream = (path: string | URL, init?: RequestInit) => AsyncGenerator<string, void, void>;

/**
 * A `nenFetch` that shakes hands on its first use; if that fails, the next call tries again. The arguments are those of
 * {@link NenClient}.
 */
export function createNenFetch(baseUrl: string | URL, options: NenClientOptions = {}): NenFetch {
  const connection = connectionTo(baseUrl, options, true);
  return (path, init = {}) => data(connection, path, init);
}

/** A `nenStream` that shakes hands on its first use, as {@link createNenFetch} does. */
export function createNenStream(baseUrl: string | URL, options: NenClientOptions = {}): NenStream {
  const connection = connectionTo(baseUrl, options, true);
  return (path, init = {}) => stream(connection, path, init);
}
