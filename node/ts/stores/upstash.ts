// Sessions and used nonces in Upstash, over its REST API: https://upstash.com/docs/redis/features/restapi.

import { joined } from '../client/body.js';
import type { Fetch } from '../client/transport.js';
import { NenError } from '../error.js';
import { CommandStore, unavailable } from './commands.js';
import { nameOf } from './failure.js';

const MAX_ANSWER_BYTES = 64 * 1024;
const TIMEOUT_MS = 10_000;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

type Command = (string | number)[];

/**
 * Keeps sessions and used nonces in Upstash Redis over HTTP, where several servers, of any language, share them.
 *
 * `url` and `token` are `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN`. `fetch` is the implementation to send
 * with; the default is the global one. A request that takes longer than 10 seconds is given up.
 *
 * What {@link RedisSessionStore} says of Redis holds here, too: no eviction. A database with read regions may not yet
 * know in one region a session that was made in another.
 *
 * Throws TypeError if `url` is not `https://`, which a loopback need not be, or `token` cannot be one.
 */
export class UpstashSessionStore extends CommandStore {
  constructor(url: string, token: string, options: { fetch?: Fetch } = {}) {
    const { fetch = (url, init) => globalThis.fetch(url, init) } = options;
    if (typeof fetch !== 'function') throw new TypeError('fetch must be a function');
    const target = checkedUrl(url);
    const headers = { authorization: `Bearer ${checkedToken(token)}`, 'content-type': 'application/json' };
    const execute = async (...command: Command) => {
      // A framework may have put a cache in front of fetch.
      const init = { method: 'POST', headers, body: JSON.stringify(command), cache: 'no-store' } as const;
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      try {
        return await resultOf(await fetch(target, { ...init, redirect: 'manual', signal }));
      } catch (error) {
        throw error instanceof NenError ? error : unavailable(unreachable(error));
      }
    };
    super('Upstash', {
      get: (key) => execute('GET', key),
      set: (key, value, lifeMs, isNew) => execute('SET', key, value, ...(isNew ? ['NX'] : []), 'PX', lifeMs),
      del: (key) => execute('DEL', key),
    });
  }
}

/** Nothing of the service's text goes into an error: it may quote the command. */
async function resultOf(response: Response): Promise<unknown> {
  if (response.status !== 200 || response.redirected) {
    await response.body?.cancel();
    throw unavailable(`Upstash answered with status ${response.status}`);
  }
  const answer = jsonOf(await read(response));
  if (typeof answer !== 'object' || answer === null || !Object.hasOwn(answer, 'result')) {
    throw unavailable('Upstash answered with something else than a result');
  }
  return (answer as { result: unknown }).result;
}

function read(response: Response): Promise<Buffer> {
  // A check that throws leaves the loop over the body, which cancels the transport.
  return joined(response.body ?? [], (bytes) => {
    if (bytes <= MAX_ANSWER_BYTES) return;
    throw unavailable(`Upstash answered with more than ${MAX_ANSWER_BYTES} bytes`);
  });
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** fetch tells why in the cause. */
function unreachable(error: unknown): string {
  return `Upstash could not be asked: ${nameOf((error as Error | undefined)?.cause ?? error)}`;
}

function checkedUrl(text: string): string {
  const url = parsed(text);
  if (
    !url ||
    !['https:', 'http:'].includes(url.protocol) ||
    url.username ||
    url.password ||
    url.search ||
    url.hash
  ) {
    throw new TypeError(
      'url must be UPSTASH_REDIS_REST_URL: https://, a host, and no user, query or fragment' +
        (text === undefined ? '; it is undefined' : ''),
    );
  }
  if (url.protocol === 'http:' && !LOOPBACK.includes(url.hostname)) {
    throw new TypeError("url must be https://, since the token and the sessions' keys travel there");
  }
  return url.href;
}

/** Without the error of `new URL`, which quotes its argument. */
function parsed(text: string): URL | undefined {
  return typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
}

function checkedToken(token: string): string {
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new TypeError(
      'token must be UPSTASH_REDIS_REST_TOKEN: ASCII, with no white space' +
        (token === undefined ? '; it is undefined' : ''),
    );
  }
  return token;
}
