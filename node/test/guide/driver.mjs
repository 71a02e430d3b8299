// Serves the guide's routes as a framework with file-based routes does, and runs its clients against them.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';

const format = process.argv[2];
const [route, endpoint, chat] = await Promise.all(
  ['route', 'endpoint', 'chat'].map((name) => import(`./${name}.${format}`)),
);

function handlerOf(method, path) {
  const [, action] = /^\/api\/nen\/([^/]+)$/.exec(path) ?? [];
  if (action !== undefined)
    return (request) => route[method](request, { params: Promise.resolve({ action }) });
  return { '/api/secure-data': endpoint, '/api/chat': chat }[path]?.[method];
}

const server = createServer(async (incoming, outgoing) => {
  const { method, url, rawHeaders } = incoming;
  const request = new Request(`http://localhost${url}`, {
    method,
    headers: rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1]]] : [])),
    body: method === 'GET' || method === 'HEAD' ? null : Readable.toWeb(incoming),
    duplex: 'half',
  });
  const response = await handlerOf(method, url)(request);
  outgoing.writeHead(response.status, [...response.headers].flat());
  for await (const chunk of response.body ?? []) outgoing.write(chunk);
  outgoing.end();
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
globalThis.location = { origin: `http://127.0.0.1:${server.address().port}` };
try {
  for (const name of ['client', 'fetch']) await (await import(`./${name}.${format}`)).main?.();
} finally {
  server.close();
  server.closeAllConnections();
}
