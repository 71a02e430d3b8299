// What is done with a session: requests whose answer is whole, and streams.

import { NenError } from '../error.js';
import { bodyOf, chunksOf, discard } from './body.js';
import type { Connection } from './connection.js';
import { ProtectedCall } from './protected-call.js';
import {
  foreignResponse,
  isStream,
  isSuccess,
  NenHttpError,
  type NenResponse,
  sealedResponse,
} from './response.js';
import { TextStream } from './text-stream.js';

export async function request<T>(
  connection: Connection,
  path: string | URL,
  init: RequestInit,
): Promise<NenResponse<T>> {
  const call = await ProtectedCall.begin(connection, path, init, init.signal);
  for (;;) {
    const response = await call.send();
    if (isSuccess(response) && isStream(response) && call.method !== 'HEAD') {
      discard(response); // It may be endless.
      throw new NenError('ISO-6001', { detail: 'the endpoint answered with a stream: use nenStream' });
    }
    const answer = await answered<T>(connection, call, response);
    if (answer !== undefined) return answer;
  }
}

export async function data<T>(connection: Connection, path: string | URL, init: RequestInit): Promise<T> {
  const response = await request<T>(connection, path, init);
  if (!response.sealed || !response.ok) throw new NenHttpError(response);
  return response.data;
}

export function stream(
  connection: Connection,
  path: string | URL,
  init: RequestInit,
): AsyncGenerator<string, void, void> {
  return new TextStream((signal) => texts(connection, path, init, signal), init.signal);
}

/** Reads the answer to an attempt that is no stream; `undefined` if there is to be another one. */
async function answered<T>(
  connection: Connection,
  call: ProtectedCall,
  response: Response,
): Promise<NenResponse<T> | undefined> {
  const body = await connection.transport.read(response, call.signal);
  const outcome = await call.open(response, body);
  if (outcome.kind === 'answer') return sealedResponse(call.url, response, outcome.json);
  if (outcome.kind === 'foreign') return foreignResponse(call.url, response, body);
  await call.prepareNext(outcome);
  return undefined;
}

async function* texts(
  connection: Connection,
  path: string | URL,
  init: RequestInit,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const call = await ProtectedCall.begin(connection, path, init, signal);
  let response = await call.send();
  while (!isSuccess(response)) {
    const answer = await answered(connection, call, response);
    if (answer !== undefined) throw new NenError('ISO-7002', { cause: new NenHttpError(answer) });
    response = await call.send();
  }
  const text = new TextDecoder('utf-8', { ignoreBOM: true });
  for await (const chunk of openedChunks(call, response)) {
    const piece = text.decode(chunk, { stream: true });
    if (piece !== '') yield piece;
  }
  const rest = text.decode();
  if (rest !== '') yield rest;
}

/** The decrypted chunks of a stream, up to its end mark. */
async function* openedChunks(
  call: ProtectedCall,
  response: Response,
): AsyncGenerator<Uint8Array, void, void> {
  const body = bodyOf(response);
  if (body === null || call.method === 'HEAD') {
    body?.cancel();
    throw new NenError('ISO-7002', { detail: 'the answer has no body' });
  }
  try {
    const opener = call.openStream(response);
    for await (const bytes of untilBroken(chunksOf(body, call.signal), call.signal)) {
      opener.push(bytes);
      for (let chunk = opener.nextChunk(); chunk !== null; chunk = opener.nextChunk()) yield chunk;
      if (opener.finished) return;
    }
    opener.end();
  } finally {
    body.cancel();
  }
}

/** That a transport breaks is ISO-7003, like its end before the end mark. */
async function* untilBroken(
  received: AsyncGenerator<Uint8Array, void, void>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* received;
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new NenError('ISO-7003', { detail: 'the transport broke', cause });
  }
}
