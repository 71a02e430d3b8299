// Handshakes.
import { binding } from '../../../../node/dist/binding.js';
import { Guard } from '../../../../node/dist/server/guard.js';
import { InMemorySessionStore } from '../../../../node/dist/server.js';
import { setClock } from './clock.mjs';
import { equal } from './vector.mjs';

const ZERO = Buffer.alloc(12);

export function handshake(_, vector) {
  const [now, body] = [vector.number('nowMs'), vector.text('body')];
  const server = new binding.Server(vector.option('sessionTtlMs'));
  const draws = vector.bytes('serverDraws');
  const { session: theirs, answer } = binding.derandomizedAccept(server, draws, Buffer.from(body), now);
  equal(answer.toString(), vector.text('answer'));
  equal(theirs.toRecord(), vector.text('record'));
  equal(theirs.identity ?? Buffer.alloc(0), vector.bytes('identity'));

  const client = new binding.Client({}, null);
  const drawn = binding.derandomizedHandshake(vector.bytes('clientDraws'));
  equal(JSON.parse(drawn.body).pk, JSON.parse(body).pk);
  client.establish(drawn, 200, vector.bytes('answer'), now);
  for (const session of [binding.Session.ofClient(client), theirs]) {
    equal(session.sid, vector.text('sid'));
    equal(session.sign('GET', '/', now, ZERO).toString('base64'), vector.text('signature'));
    equal(session.seal(ZERO, Buffer.from('nen')), vector.bytes('sealed'));
  }
}

export function handshakeRequest(file, vector) {
  setClock(file.number('nowMs'));
  const store = new InMemorySessionStore();
  const guard = new Guard({ store, identities: identitiesOf(vector), log: () => {} });
  const request = { method: 'POST', target: `${guard.prefix}/handshake`, headers: [] };
  return vector.expect(
    () => guard.respond('handshake', request, vector.bytes('body')),
    ({ status, body }) => {
      equal(status, 200);
      const { identity = '' } = JSON.parse(store.get(JSON.parse(body).sid));
      equal(Buffer.from(identity, 'base64'), vector.bytes('identity'));
    },
  );
}

function identitiesOf(vector) {
  if (vector.has('allowedHex')) return vector.list('allowed');
  return vector.flag('requireIdentity', false) ? 'required' : 'optional';
}

export function handshakeAnswer(file, vector) {
  const client = new binding.Client({}, null);
  const drawn = binding.derandomizedHandshake(file.bytes('clientDraws'));
  const [status, body] = [vector.number('status'), vector.bytes('body')];
  return vector.expect(
    () => client.establish(drawn, status, body, file.number('nowMs')),
    () => {
      const session = binding.Session.ofClient(client);
      equal(session.sid, vector.text('sid'));
      equal(session.seal(ZERO, Buffer.from('nen')), vector.bytes('sealed'));
    },
  );
}
