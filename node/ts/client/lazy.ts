// Clients that shake hands on first use.

import { NenClient, type NenClientOptions } from './nen-client.js';

/** `nenFetch` of a client of its own; see {@link NenClient.nenFetch}. */
// biome-ignore lint/suspicious/noExplicitAny: as `Response.json()` types what a server sends
export type NenFetch = <T = any>(path: string | URL, init?: RequestInit) => Promise<T>;

/** `nenStream` of a client of its own; see {@link NenClient.nenStream}. */
export type NenStream = (path: string | URL, init?: RequestInit) => AsyncGenerator<string, void, void>;

/** A `nenFetch` that shakes hands on its first use. The arguments are those of {@link NenClient}. */
export function createNenFetch(baseUrl: string | URL, options?: NenClientOptions): NenFetch {
  const client = new NenClient(baseUrl, options);
  return async (path, init) => {
    await connect(client, init);
    return client.nenFetch(path, init);
  };
}

/** A `nenStream` that shakes hands on its first use. The arguments are those of {@link NenClient}. */
export function createNenStream(baseUrl: string | URL, options?: NenClientOptions): NenStream {
  const client = new NenClient(baseUrl, options);
  return async function* (path, init) {
    await connect(client, init);
    yield* client.nenStream(path, init);
  };
}

async function connect(client: NenClient, init: RequestInit | undefined): Promise<void> {
  if (client.sessionId === undefined) await client.handshake(init?.signal ? { signal: init.signal } : {});
}
