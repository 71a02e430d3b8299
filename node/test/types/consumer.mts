// What a program in ES modules may write; it is compiled and not run.
import {
  createNen,
  createNenFetch,
  createNenStream,
  describeNenCode,
  Identity,
  NEN_ERRORS,
  NenClient,
  type NenClientOptions,
  NenError,
  NenHttpError,
  type NenResponse,
} from '@withnen/native';
import type { NenClient as SameClient } from '@withnen/native/client';

const options: NenClientOptions = { identityMode: 'pqc', identity: Identity.generate(), fetch };
const client: SameClient = new NenClient('https://api.example.com', options);
await client.handshake({ signal: AbortSignal.timeout(1000) });

const data = await client.nenFetch('/api/secure-data', { method: 'POST', body: JSON.stringify({ a: 1 }) });
console.log(data, data.message);
const typed: { id: string } = await client.nenFetch<{ id: string }>('/api/notes/1');
typed.id.toUpperCase();

const answer: NenResponse<number> = await client.request<number>(new URL('https://api.example.com/n'));
if (answer.sealed) answer.data.toFixed();
else await answer.response.text();

for await (const chunk of client.nenStream('/api/chat', { method: 'POST', body: '{}' })) chunk.toUpperCase();
for await (const chunk of createNenStream('https://api.example.com')('/api/chat')) chunk.toUpperCase();
const nenFetch = createNenFetch('https://api.example.com', options);

try {
  await nenFetch('/api/secure-data', { headers: new Headers({ 'x-trace': '1' }) });
} catch (err) {
  if (err instanceof NenError) {
    switch (err.code) {
      case 'ISO-2002':
        await client.handshake();
        break;
      default:
        console.error(err.code, err.name, err.status, err.hint, err.detail, err.message);
    }
  }
  if (err instanceof NenHttpError) console.error(err.status, err.sealed, err.data, err.response.headers);
}

const perhaps: AbortSignal | undefined = undefined as AbortSignal | undefined;
const perhapsNumber = undefined as number | undefined;
await client.rotate({ signal: perhaps });
await client.status({ signal: null });
new NenClient('https://api.example.com', { maxAnswer: perhapsNumber });
createNen({ maxBody: perhapsNumber });
createNen({ storeKeys: [new Uint8Array(32), 'plain'] as const });
// @ts-expect-error a variable that is not set must not turn the sealing off
createNen({ storeKeys: undefined });
// @ts-expect-error the same for one key
createNen({ storeKeys: [undefined as string | undefined] });
const alive: boolean = await client.status();
await client.terminate();
const sid: string | undefined = client.sessionId;
const der: Uint8Array = Identity.fromPkcs8(Identity.generate().toPkcs8()).publicKey;
const hint: string | undefined = describeNenCode('ISO-3002')?.hint ?? NEN_ERRORS['ISO-3002']?.hint;

export { alive, der, hint, sid };

// @ts-expect-error: a code is `ISO-<number>`
new NenError('3002');
// @ts-expect-error: there is no such mode
new NenClient('https://api.example.com', { identityMode: 'none' });
