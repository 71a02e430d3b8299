// Servers: each sequence of requests once with its sessions in memory, and once with a store that is asked in steps.
import { binding } from '../../../../node/dist/binding.js';
import { Guard } from '../../../../node/dist/server/guard.js';
import { InMemorySessionStore } from '../../../../node/dist/server.js';
import { setClock } from './clock.mjs';
import { equal, sessionOf } from './vector.mjs';

export async function server(file, vector) {
  const limits = vector.option('maxNoncesPerSession');
  await sequence(file, vector, { store: new InMemorySessionStore(limits) });
  await sequence(file, vector, { store: new OwnStore(limits), storeKeys: [Buffer.alloc(32, 1)] });
}

async function sequence(file, vector, { store, storeKeys = ['plain'] }) {
  const guard = new Guard({
    store,
    storeKeys,
    ...vector.option('maxBody'),
    strict: vector.flag('strict', true),
    noncesForSession: vector.flag('noncesForSession', false),
    requireSignedLifecycle: vector.flag('requireSignedLifecycle', false),
    log: () => {},
  });
  setClock(0);
  const keys = new binding.StoreKeys(storeKeys);
  for (const session of file.vectors('sessions')) {
    const { expiresAt } = JSON.parse(session.text('record'));
    await store.set(session.text('sid'), keys.write(sessionOf(session)), expiresAt);
  }
  for (const [at, step] of vector.vectors('steps').entries()) {
    try {
      await request(guard, step);
    } catch (error) {
      throw new Error(`step ${at + 1}, ${store.constructor.name}: ${error.message}`, { cause: error });
    }
  }
}

function request(guard, step) {
  setClock(step.number('nowMs'));
  const [method, target] = [step.text('method'), step.text('target')];
  const incoming = { method, target, headers: step.list('headers').flatMap(header) };
  const body = step.has('body') || step.has('bodyHex') ? step.bytes('body') : Buffer.alloc(0);
  const route = guard.route(incoming);
  if (route === 'not-found') return equal(404, step.number('status'));
  if (route !== null) {
    return step.expect(
      () => guard.respond(route, incoming, body),
      (answer) => {
        equal(answer.status, step.number('status'));
        if (step.has('members')) {
          return equal(Object.keys(JSON.parse(answer.body)).sort(), step.list('members').map(String).sort());
        }
        equal(answer.body.toString(), step.text('answer'));
      },
    );
  }
  return step.expect(
    async () => guard.open(await guard.admit(incoming), body),
    (plaintext) => step.expectPlaintext(plaintext),
  );
}

/** Name and value, as Node's `rawHeaders` have them. */
function header(line) {
  const text = line.toString('latin1');
  const colon = text.indexOf(': ');
  if (colon < 0) throw new Error('a header has no colon');
  return [text.slice(0, colon), text.slice(colon + 2)];
}

/** Keeps records, as a store outside of the process does. */
class OwnStore {
  #records = new Map();
  #nonces;

  constructor(limits) {
    this.#nonces = new InMemorySessionStore(limits);
  }

  async get(sid) {
    const { record, expiresMs } = this.#records.get(sid) ?? {};
    return Date.now() < expiresMs ? record : null;
  }

  async set(sid, record, expiresMs) {
    this.#records.set(sid, { record, expiresMs });
  }

  async delete(sid) {
    this.#records.delete(sid);
  }

  async claimNonce(sid, nonce, untilMs) {
    return this.#nonces.claimNonce(sid, nonce, untilMs);
  }
}
