// The plaintext of a request.

/** Reads the body of a request to bytes, so that it can be sealed more than once. `undefined` without a body. */
export async function readBody(body: RequestInit['body']): Promise<Uint8Array | undefined> {
  if (body === null || body === undefined) return undefined;
  if (typeof body === 'string') return Buffer.from(body);
  // `Response` reads whatever else fetch can send.
  return new Uint8Array(await new Response(body).arrayBuffer());
}
