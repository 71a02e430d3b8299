// A server that speaks Upstash's REST API in front of a real Redis.
import { once } from 'node:events';
import { createServer } from 'node:http';

export const TOKEN = 'the-token-of-the-database';

/**
 * The API as https://upstash.com/docs/redis/features/restapi describes it, or what `script` does with a response
 * instead.
 */
export async function startUpstash(redis) {
  const upstash = { url: '', script: undefined, requests: [], close };
  const http = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const body = Buffer.concat(await request.toArray()).toString();
    upstash.requests.push({ method, url, headers, body });
    if (upstash.script) return upstash.script(response);
    const send = (status, answer) => response.writeHead(status).end(JSON.stringify(answer));
    if (headers.authorization !== `Bearer ${TOKEN}`) return send(401, { error: 'WRONGPASS' });
    const [command, ...args] = JSON.parse(body);
    try {
      send(200, { result: await redis.admin.call(command, ...args) });
    } catch (error) {
      send(400, { error: `${error.message}, command was: ${body}` });
    }
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  upstash.url = `http://127.0.0.1:${http.address().port}`;
  async function close() {
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  }
  return upstash;
}
