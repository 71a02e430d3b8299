// Nen as a middleware of Express.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { guardOf } from '../server/guards.js';
import type { Nen } from '../server/handlers.js';
import { defaultNen } from '../server/nen.js';
import { Arrival } from './arrival.js';
import { describeBody, hideHeaders } from './opened-request.js';

/** A middleware of Express, or of anything that calls one as Express does. */
export type NenMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** What Express and body-parser know of a request beyond Node. */
type ExpressRequest = IncomingMessage & { originalUrl?: string; body?: unknown; _body?: boolean };

/**
 * Protects every request that it sees: the whole application (`app.use(nenExpress(nen))`), a mount, a Router or a single
 * route. Express's own routing decides. It also answers the session endpoints, so that it must see their path: use it
 * for the whole application, or a second time for `prefix` alone.
 *
 * `req.body` is the opened JSON, and undefined without a body. Put it in front of body parsers, which leave that body
 * alone. `peerOf(req)` tells who sent it. Whatever is answered is sealed, by Express's error handlers too, by the rule of
 * `nenListener`; Express's own page for an error becomes ISO-9000. Headers set by middlewares in front, such as CORS, are
 * kept on refusals.
 *
 * Not protected: WebSockets and other upgrades, which pass by every middleware.
 */
export function nenExpress(nen: Nen = defaultNen): NenMiddleware {
  if (nen !== defaultNen) guardOf(nen);
  return (request, response, next) => {
    const { originalUrl: target = request.url ?? '' } = request as ExpressRequest;
    const arrival = new Arrival(guardOf(nen), request, response, { target });
    const { endpoint } = arrival;
    arrival.watch(endpoint !== null ? arrival.answerSession(endpoint) : open(arrival, request, next));
  };
}

async function open(arrival: Arrival, request: ExpressRequest, next: () => void): Promise<void> {
  const admitted = await arrival.admit(request);
  if (!admitted) return;
  const json = await arrival.open(admitted);
  if (json === undefined) return;
  hideHeaders(request);
  request.body = undefined;
  if (json) {
    describeBody(request, json);
    request.body = JSON.parse(json.toString());
    request._body = true; // body-parser's word for a body that was parsed
  }
  next();
}
