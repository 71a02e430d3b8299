// The arguments of `ServerResponse.writeHead`.

import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[] | [string, OutgoingHttpHeader][];

/** Status, perhaps a phrase, perhaps headers: by name, as names and values in turn, or as pairs. */
export type HeadArguments = [status: number, phrase?: string | Headers, headers?: Headers];

/** Sets the headers on the response, and gives the status. The phrase goes nowhere. Throws as `writeHead` does. */
export function mergeHead(response: ServerResponse, [status, phrase, headers]: HeadArguments): number {
  const code = status | 0;
  if (code < 100 || code > 999) {
    const error = new RangeError(`Invalid status code: ${status}`);
    throw Object.assign(error, { code: 'ERR_HTTP_INVALID_STATUS_CODE' });
  }
  const given = headers ?? (typeof phrase === 'string' ? undefined : phrase);
  const seen = new Set<string>();
  for (const [name, value] of entries(given)) {
    const key = String(name).toLowerCase();
    if (seen.has(key)) response.appendHeader(name, value as string);
    else response.setHeader(name, value as OutgoingHttpHeader);
    seen.add(key);
  }
  response.statusCode = code;
  return code;
}

function entries(headers: Headers | undefined): [string, OutgoingHttpHeader | undefined][] {
  if (!headers) return [];
  if (!Array.isArray(headers)) return Object.entries(headers);
  if (Array.isArray(headers[0])) return headers as [string, OutgoingHttpHeader][];
  if (headers.length % 2 !== 0) {
    throw Object.assign(new TypeError('headers must be names and values in turn'), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
  }
  const flat = headers as string[];
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]] as [string, string]] : []));
}
