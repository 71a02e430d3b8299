// Streams through Web-standard handlers, over real sockets where a server has a part in it.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { nenWithLog, serveRoute, session } from './web.mjs';

const POST = { method: 'POST' };

async function serveStream(t, handler, options) {
  const nen = nenWithLog(options);
  const { client } = await serveRoute(t, nen, nen.withNenStream(handler));
  return { nen, read: (init = POST) => client.nenStream('/route', init) };
}

const sources = {
  'an async generator': async function* () {
    yield 'a';
    yield Buffer.from('é');
  },
  'a generator': function* () {
    yield 'a';
    yield 'é';
  },
  'an array': () => ['a', new Uint16Array(Uint8Array.from(Buffer.from('é')).buffer)],
  'a ReadableStream': () => new Blob(['aé']).stream(),
  'a stream of Node': () => Readable.from(['a', 'é']),
  'a Response': () => new Response('aé', { status: 201, headers: { 'x-kept': '1' } }),
  'a Response of JSON': () => new Response('aé', { headers: { 'content-type': 'application/json' } }),
  'a Response of 205 with chunks elsewhere': () => ['a', '', 'é'],
};

test('a stream may come from', async (t) => {
  for (const [name, handler] of Object.entries(sources)) {
    await t.test(name, async (t) => {
      const { nen, read } = await serveStream(t, handler);
      const chunks = [];
      for await (const chunk of read()) chunks.push(chunk);
      assert.equal(chunks.join(''), 'aé');
      assert.equal(nen.events.length, 1);
    });
  }
});

test('each chunk is delivered while the stream is open, and a long one in parts', async (t) => {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  const { read } = await serveStream(
    t,
    async function* (_, body) {
      yield body;
      await held;
      yield 'x'.repeat(2500);
    },
    { maxChunk: 1000 },
  );
  const lengths = [];
  for await (const chunk of read({ method: 'POST', body: '"first"' })) {
    if (lengths.length === 0) assert.equal(chunk, 'first');
    lengths.push(chunk.length);
    release();
  }
  assert.deepEqual(lengths, [5, 1000, 1000, 500]);
});

test('a stream without chunks is an empty stream', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  for (const result of [[], ['', ''], new Response(null), new Response(null, { status: 204 })]) {
    const sealed = seal('POST', '/route');
    const answer = await nen.withNenStream(() => result)(sealed.request);
    assert.equal(answer.status, 200);
    assert.deepEqual(await sealed.openStream(answer), []);
  }
});

test('a chunk that reads like the end mark is text', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const sealed = seal('POST', '/route');
  const answer = await nen.withNenStream(() => ['__FIN__', 'more'])(sealed.request);
  assert.equal(Buffer.concat(await sealed.openStream(answer)).toString(), '__FIN__more');
});

test('an answer of a streaming route that is no success is sealed whole', async (t) => {
  const nen = nenWithLog();
  const { client } = await serveRoute(
    t,
    nen,
    nen.withNenStream(() => Response.json({ reason: 'busy' }, { status: 429 })),
  );
  const { status, data } = await client.request('/route', POST);
  assert.deepEqual([status, { ...data }], [429, { reason: 'busy' }]);
});

test('what is no stream is ISO-9000', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const compressed = { headers: { 'content-encoding': 'gzip' } };
  const results = ['text', Buffer.from('text'), 1, null, undefined, {}, new Response('text', compressed)];
  for (const result of results) {
    const answer = await nen.withNenStream(() => result)(seal('POST', '/route').request);
    assert.equal(answer.status, 500);
    assert.equal((await answer.json()).error.code, 'ISO-9000');
  }
  assert.match(nen.events[1].error.message, /must return an async iterable, .* not string/);
});

const failing = {
  'a source that throws': async function* () {
    yield 'a';
    await delay(20);
    throw new Error('kaboom');
  },
  'a chunk that is no chunk': async function* () {
    yield 'a';
    await delay(20);
    yield { kaboom: true };
  },
  'a source that throws at once': () => ({
    [Symbol.iterator]: () => ({
      next: () => {
        throw new Error('kaboom');
      },
    }),
  }),
  'a body that fails': () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('a')),
        pull: (controller) => controller.error(new Error('kaboom')),
      }),
    ),
};

test('a stream that fails is truncated, and the log says why', async (t) => {
  for (const [name, handler] of Object.entries(failing)) {
    await t.test(name, async (t) => {
      const { nen, read } = await serveStream(t, handler);
      await assert.rejects(
        async () => {
          for await (const chunk of read()) assert.equal(chunk, 'a');
        },
        { code: 'ISO-7003' },
      );
      const { event, error } = nen.events.at(-1);
      assert.equal(event, 'handler-failed');
      assert.match(error.message, /kaboom|a chunk of a stream must be a string or bytes, not object/);
    });
  }
});

test('a source whose chunk cannot be sent is ended', async () => {
  const nen = nenWithLog();
  const { seal } = await session(nen);
  let ended = false;
  const stop = () => {
    ended = true;
    return { done: true };
  };
  const source = { [Symbol.iterator]: () => ({ next: () => ({ value: 1 }), return: stop }) };
  const answer = await nen.withNenStream(() => source)(seal('POST', '/route').request);
  await assert.rejects(answer.text(), { code: 'ISO-9000' });
  assert.equal(ended, true);
});

/** Sources that never end, and tell how far they were read and whether they were ended. */
function endless(kind, seen) {
  const chunk = 'x'.repeat(64 * 1024);
  const stop = () => {
    seen.ended = true;
  };
  const next = () => (++seen.pulled > (seen.pause ?? Infinity) ? new Promise(() => {}) : { value: chunk });
  switch (kind) {
    case 'iterator':
      return { [Symbol.asyncIterator]: () => ({ next: async () => next(), return: async () => stop() }) };
    case 'stream':
    case 'response': {
      const pull = async (controller) => controller.enqueue(Buffer.from((await next()).value));
      const stream = new ReadableStream({ pull, cancel: stop });
      return kind === 'stream' ? stream : new Response(stream);
    }
    case 'node':
      return new Readable({
        read() {
          Promise.resolve(next()).then(({ value }) => this.push(value));
        },
        destroy(_error, done) {
          stop();
          done();
        },
      });
  }
}

test('a client that reads slowly holds the source back, and one that leaves ends it', async (t) => {
  for (const kind of ['iterator', 'stream', 'response', 'node']) {
    await t.test(kind, async (t) => {
      const seen = { pulled: 0, ended: false };
      const { nen, read } = await serveStream(t, () => endless(kind, seen));
      const stream = read()[Symbol.asyncIterator]();
      await stream.next();
      let before;
      do {
        before = seen.pulled;
        await delay(150);
      } while (seen.pulled > before);
      assert.ok(seen.pulled < 1000, `${seen.pulled} chunks of 64 KiB were read ahead`);
      await stream.return();
      while (!seen.ended) await delay(5);
      assert.equal(nen.events.length, 1);
    });
  }
});

test('a source that waits is ended when the client leaves', async (t) => {
  for (const kind of ['iterator', 'stream', 'response', 'node']) {
    await t.test(kind, async (t) => {
      const seen = { pulled: 0, ended: false, pause: 1 };
      const { nen, read } = await serveStream(t, () => endless(kind, seen));
      const stream = read()[Symbol.asyncIterator]();
      await stream.next();
      await stream.return();
      while (!seen.ended) await delay(5);
      assert.equal(nen.events.length, 1);
    });
  }
});

test('an async generator runs its finally, and a handler is told by the signal of its request', async (t) => {
  const seen = [];
  const { read } = await serveStream(t, async function* ({ signal }) {
    try {
      for (;;) {
        yield 'a';
        await delay(60_000, undefined, { signal }).catch(() => seen.push('signal'));
      }
    } finally {
      seen.push('finally');
    }
  });
  for await (const _ of read()) break;
  while (seen.length < 2) await delay(5);
  assert.deepEqual(seen, ['signal', 'finally']);
});

test('a stream that nobody reads is forgotten', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const nen = nenWithLog();
  const { seal } = await session(nen);
  const refs = [];
  for (let i = 0; i < 20; i++) {
    const source = {
      chunk: 'x'.repeat(1000),
      *[Symbol.iterator]() {
        yield this.chunk;
      },
    };
    refs.push(new WeakRef(source));
    const answer = await nen.withNenStream(() => source)(seal('POST', '/route').request);
    if (i % 2 === 0) await answer.body.getReader().read();
  }
  for (let i = 0; i < 50 && refs.some((ref) => ref.deref()); i++) {
    await delay(10);
    gc();
  }
  assert.ok(refs.filter((ref) => ref.deref()).length <= 1);
});
