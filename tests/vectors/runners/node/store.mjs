// What a shared store keeps, and the table of codes.
import { binding } from '../../../../node/dist/binding.js';
import { NEN_ERRORS } from '../../../../node/dist/error.js';
import { InMemorySessionStore } from '../../../../node/dist/server.js';
import { setClock } from './clock.mjs';
import { equal } from './vector.mjs';

export function record(_, vector) {
  const [sid, texts] = [vector.text('sid'), vector.list('storeKeys').map(String)];
  const keys = new binding.StoreKeys(texts);
  return vector.expect(
    () => keys.read(sid, vector.text('record'), vector.number('ttlMs')),
    (session) => {
      equal(session.toRecord(), vector.text('plain'));
      const again = new binding.StoreKeys(texts.slice(0, 1)).read(sid, keys.write(session), 0);
      equal(again.toRecord(), vector.text('plain'));
    },
  );
}

export function sharedKey(_, vector) {
  const [sid, nonce] = [vector.text('sid'), vector.bytes('nonce')];
  equal(binding.recordKey(sid), vector.text('recordKey'));
  equal(binding.nonceKey(sid, nonce), vector.text('nonceKey'));
  // What the keys are for: a claim of one is one of the other.
  setClock(0);
  const store = new InMemorySessionStore();
  equal(
    [1, 2].map(() => store.claimNonce(sid, nonce, 0)),
    [true, false],
  );
}

export function error(_, vector) {
  const code = vector.text('name');
  const { name, status } = NEN_ERRORS[code] ?? {};
  equal([name, status], [vector.text('symbol'), vector.number('status')]);
  equal(binding.errorBody(code).toString(), vector.text('body'));
}
