// What every runtime must be able to do, over real sockets. The modules are arguments, for both kinds of import.
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { createServer } = require('node:http');

const { Bun, Deno } = globalThis;
const text = JSON.stringify({ text: 'größer', list: [1, 2, 3] });

exports.run = async (main, { nenListener }, core) => {
  // Bun's and Deno's own servers take Web handlers; then node:http, on all of them.
  const web = webApplication(main.createNen());
  if (Bun) {
    const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: web });
    await talk(main, `http://127.0.0.1:${server.port}`);
    await server.stop(true);
  } else if (Deno) {
    const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen() {} }, web);
    await talk(main, `http://127.0.0.1:${server.addr.port}`);
    await server.shutdown();
  }
  const server = createServer(nenListener(nodeApplication, main.createNen()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await talk(main, `http://127.0.0.1:${server.address().port}`);
  server.close();
  server.closeAllConnections();
  await primitives(core);
  console.log('everything was done');
};

function webApplication(nen) {
  const handlers = {
    '/echo': nen.withNen(async (_request, body) => ({ received: body })),
    '/chat': nen.withNenStream(async () => ['secure ', 'streaming ', 'works '].values()),
    '/fail': nen.withNen(async () => {
      throw new Error('a secret of the application');
    }),
  };
  return (request) => {
    const { pathname } = new URL(request.url);
    return pathname.startsWith('/api/nen/') ? nen.handleSession(request) : handlers[pathname](request);
  };
}

async function nodeApplication(request, response) {
  if (request.url === '/fail') throw new Error('a secret of the application');
  if (request.url === '/chat') {
    response.setHeader('content-type', 'text/event-stream');
    for (const chunk of ['secure ', 'streaming ', 'works ']) response.write(chunk);
    return response.end();
  }
  let body = '';
  for await (const part of request.setEncoding('utf8')) body += part;
  response.setHeader('content-type', 'application/json');
  response.end(`{"received":${body}}`);
}

async function talk({ NenClient, NenError, NEN_ERRORS }, url) {
  const client = new NenClient(url, { identityMode: 'pqc' });
  await client.handshake();
  const echo = (body) => client.nenFetch('/echo', { method: 'POST', body });
  assert.deepEqual(await echo(text), { received: JSON.parse(text) });
  await client.rotate();
  assert.equal(await client.status(), true);
  // Large enough to be worked on off the event loop.
  assert.equal((await echo(JSON.stringify('x'.repeat(700_000)))).received.length, 700_000);

  const chunks = [];
  for await (const chunk of client.nenStream('/chat', { method: 'POST', body: '{}' })) chunks.push(chunk);
  assert.equal(chunks.join(''), 'secure streaming works ');

  await assert.rejects(client.nenFetch('/fail'), ({ message }) => !message.includes('secret'));
  const refused = await fetch(`${url}/echo`, { method: 'POST', body: text });
  const { error } = await refused.json();
  assert.deepEqual([error.code, refused.status], ['ISO-2003', NEN_ERRORS['ISO-2003'].status]);

  await client.terminate();
  await assert.rejects(
    client.nenFetch('/echo'),
    (error) => error instanceof NenError && error.code === 'ISO-2001',
  );
}

async function primitives(core) {
  await core.default();
  const pair = core.nen_generate_keypair();
  const { shared_secret, ciphertext } = core.nen_encapsulate(pair.public_key);
  assert.deepEqual(core.nen_decapsulate(pair.secret_key, ciphertext), shared_secret);
  const nonce = core.nen_generate_nonce();
  const sealed = core.nen_encrypt(shared_secret, nonce, new TextEncoder().encode(text));
  assert.equal(new TextDecoder().decode(core.nen_decrypt(shared_secret, nonce, sealed)), text);
  assert.throws(() => core.nen_decrypt(shared_secret, nonce, sealed.subarray(1)), { code: 'ISO-4001' });
  assert.throws(() => core.nen_encrypt(nonce, shared_secret, sealed), TypeError);
  assert.equal(sealed.buffer.byteLength, sealed.length);
  const signing = core.nen_generate_signing_keypair();
  const signature = core.nen_sign(signing.secret_key, sealed);
  assert.equal(core.nen_verify_signature(signing.public_key, sealed, signature), true);
}
