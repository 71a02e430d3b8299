// Clients: answers, and streams.
import { binding } from '../../../../node/dist/binding.js';
import { connected, equal } from './vector.mjs';

const FIN = '__FIN__';

export function answer(file, vector) {
  const [client, now] = [connected(file), file.number('nowMs')];
  const call = client.call(vector.text('method'), '/');
  call.seal(null, now);
  return vector.expect(
    () => call.open(vector.number('status'), null, vector.bytes('body'), now),
    ({ kind, json }) => {
      if (kind === 'answer') vector.expectPlaintext(json ?? null);
      else equal(kind, vector.text('outcome'));
    },
  );
}

export async function lifecycleAnswer(file, vector) {
  const [client, now] = [connected(file), file.number('nowMs')];
  const action = vector.text('action');
  if (!['status', 'terminate', 'rotate'].includes(action)) throw new Error(`no action ${action}`);
  const call = client[action](`${binding.ENDPOINT_PREFIX}/${action}`);
  await call.seal(now);
  await vector.expect(
    () => call.open(vector.number('status'), null, vector.bytes('body'), now),
    ({ kind, result }) => {
      if (kind === 'done') equal(result, vector.flag('done'));
      else equal(kind, vector.text('outcome'));
    },
  );
}

export async function stream(file, vector) {
  const client = connected(file, vector.option('maxChunk'));
  const expected = vector.list('chunks');
  const body = vector.has('frames') ? sealed(client, vector) : vector.bytes('body');
  // In one piece, and byte by byte.
  for (const size of [body.length, 1]) {
    const chunks = [];
    await vector.expect(
      () => {
        const call = client.call('GET', '/');
        call.seal(null, file.number('nowMs'));
        read(call.openStream(vector.text('nonceHeader')), body, size, chunks);
      },
      () => equal(vector.has('frames') || vector.flag('complete', false), true),
    );
    equal(chunks, expected);
  }
}

function read(opener, body, size, chunks) {
  for (let at = 0; at < body.length; at += size) {
    opener.push(body.subarray(at, at + size));
    for (let chunk = opener.nextChunk(); chunk !== null; chunk = opener.nextChunk()) chunks.push(chunk);
  }
  opener.end();
}

/** The stream of the frames, each of which is its chunk sealed. */
function sealed(client, vector) {
  const session = binding.Session.ofClient(client);
  const [frames, nonces] = [vector.list('frames').map(String), vector.list('nonces')];
  const chunks = [...vector.list('chunks'), Buffer.from(FIN)];
  equal([frames.length, nonces.length], [chunks.length, chunks.length]);
  for (const [at, chunk] of chunks.entries()) {
    equal(session.seal(nonces[at], chunk).toString('base64'), frames[at]);
  }
  return Buffer.from(frames.map((frame) => `data: ${frame}\n\n`).join(''));
}
