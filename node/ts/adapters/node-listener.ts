// Nen in front of a `node:http` listener.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { letIn } from '../server/admitted.js';
import { guardOf } from '../server/guards.js';
import type { Nen } from '../server/handlers.js';
import { defaultNen } from '../server/nen.js';
import { Arrival } from './arrival.js';
import { plainRequest } from './opened-request.js';

/** What `http.createServer` takes; an Express or Koa (`app.callback()`) application is one. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * Protects a whole `node:http` application: answers the session endpoints, and opens every other request. The listener
 * gets a request with the plain JSON body, and `peerOf(request)` tells who sent it. What it answers is sealed:
 *
 * - JSON, or nothing, is sealed whole. The status is kept; only 204 and 205 become 200 with a sealed `null`.
 * - Anything else with a status of 2xx is sealed as a stream: each `write` is one sealed chunk, sent at once.
 * - Other text with a status of 3xx or 4xx is sealed as a JSON string; with 5xx it becomes ISO-9000.
 *
 * A listener that throws or rejects is answered with ISO-9000 and nothing of the cause, which goes to the log; in the
 * middle of a stream, the client sees the stream as truncated.
 *
 * Not protected: WebSockets and other upgrades, which Node hands to the server's `upgrade` event, past every listener;
 * and what goes around the response: to `response.socket`, by methods of Node's classes called on it, or by those that
 * begin with an underscore. HTTP/2 is refused with ISO-9000.
 *
 * Throws TypeError for a listener that is no function.
 */
export function nenListener(
  listener: NodeListener,
  nen: Nen = defaultNen,
): (request: IncomingMessage, response: ServerResponse) => void {
  if (typeof listener !== 'function') throw new TypeError('listener must be a function');
  if (nen !== defaultNen) guardOf(nen);
  return (request, response) => {
    const arrival = new Arrival(guardOf(nen), request, response);
    const { endpoint } = arrival;
    arrival.watch(
      endpoint !== null ? arrival.answerSession(endpoint) : serve(arrival, listener, request, response),
    );
  };
}

async function serve(
  arrival: Arrival,
  listener: NodeListener,
  original: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const admitted = await arrival.admit(original);
  if (!admitted) return;
  const json = await arrival.open(admitted);
  if (json === undefined) return;
  const request = plainRequest(original, response, json);
  letIn(request, admitted.exchange);
  Object.assign(response, { req: request });
  try {
    await listener(request, response);
  } catch (error) {
    admitted.answer.fail(error);
  }
}
