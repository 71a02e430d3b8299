// Stores, as a program may use or write them; it is compiled and not run.
import {
  InMemorySessionStore,
  type IoredisClient,
  type NodeRedisClient,
  REMOTE_CLOCK_SLACK_MS,
  RedisSessionStore,
  type SessionStore,
  setSessionStore,
  UpstashSessionStore,
} from '@withnen/native/server';

class OwnStore implements SessionStore {
  readonly #records = new Map<string, string>();
  readonly #nonces = new Map<string, number>();

  get(sid: string): string | undefined {
    return this.#records.get(sid);
  }

  async set(sid: string, record: string): Promise<void> {
    this.#records.set(sid, record);
  }

  delete(sid: string): boolean {
    return this.#records.delete(sid);
  }

  claimNonce(sid: string, nonce: Uint8Array, untilMs: number): boolean {
    const key = `${sid}:${nonce.join()}`;
    if (this.#nonces.has(key)) return false;
    this.#nonces.set(key, untilMs + REMOTE_CLOCK_SLACK_MS);
    return true;
  }
}

declare const ioredis: IoredisClient;
declare const nodeRedis: NodeRedisClient;

export const stores: SessionStore[] = [
  new OwnStore(),
  new InMemorySessionStore({ maxSessions: 10 }),
  new RedisSessionStore(ioredis),
  new RedisSessionStore(nodeRedis),
  new UpstashSessionStore('https://db.upstash.io', 'token', { fetch }),
  new UpstashSessionStore('https://db.upstash.io', 'token'),
];
for (const store of stores) setSessionStore(store);

const record: string | null = await new RedisSessionStore(ioredis).get('sid');
const isFresh: boolean = await new RedisSessionStore(ioredis).claimNonce('sid', new Uint8Array(12), 0);

export { isFresh, record };

// @ts-expect-error: an address is no client
new RedisSessionStore('redis://127.0.0.1');
// @ts-expect-error: a variable of the environment may be missing
new UpstashSessionStore(undefined, 'token');
