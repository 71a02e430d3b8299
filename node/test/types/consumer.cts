// What a program in CommonJS may write; it is compiled and not run.
import { createNenFetch, NenClient, NenError } from '@withnen/native';

import client = require('@withnen/native/client');

const same: client.NenClient = new NenClient('https://api.example.com');
const nenFetch: client.NenFetch = createNenFetch('https://api.example.com');

export async function main(): Promise<string | undefined> {
  const text: string = await nenFetch<string>('/api/secure-data');
  for await (const chunk of same.nenStream('/api/chat')) console.log(chunk, text);
  return same.terminate().then(
    () => undefined,
    (error: unknown) => (error instanceof NenError ? error.code : undefined),
  );
}
