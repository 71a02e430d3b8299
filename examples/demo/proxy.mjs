// A pass-through HTTP proxy: what a load balancer, a cache or an access log sees behind the end of TLS.

import http from 'node:http';

/**
 * Forwards every request to `target` and tells `observer` what went by.
 *
 * @param {string} target origin of the server behind the proxy
 * @param {{ request?: Function, chunk?: Function, answer?: Function }} observer
 */
export async function startProxy(target, observer) {
  /** A change to make to the next request's body, once. */
  let change;

  const server = http.createServer(async (incoming, outgoing) => {
    const received = Buffer.concat(await incoming.toArray());
    const body = change ? change(received) : received;
    change = undefined;

    const seen = { method: incoming.method, path: incoming.url, headers: incoming.headers, body: received };
    observer.request?.(seen);

    const headers = { ...incoming.headers, host: new URL(target).host };
    const forwarded = http.request(
      target + incoming.url,
      { method: incoming.method, headers },
      async (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        const chunks = [];
        for await (const chunk of answer) {
          chunks.push(chunk);
          observer.chunk?.(seen, answer, chunk);
          outgoing.write(chunk);
        }
        outgoing.end();
        observer.answer?.({
          ...seen,
          status: answer.statusCode,
          answerHeaders: answer.headers,
          answer: Buffer.concat(chunks),
        });
      },
    );
    forwarded.on('error', () => outgoing.destroy());
    forwarded.end(body);
  });

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    tamperOnce: (how) => {
      change = how;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
