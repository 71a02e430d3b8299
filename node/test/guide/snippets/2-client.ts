import { NenClient } from '@withnen/client';
const client = new NenClient('', {
identityMode: 'pqc', // optional: adds a one-time ML-DSA identity signature
});
await client.handshake(); // ML-KEM key exchange — run once per session
// nenFetch mirrors fetch(). For a JSON response it returns the decrypted object.
const data = await client.nenFetch('/api/secure-data', {
method: 'POST',
body: JSON.stringify({ secret: 'Only the endpoint that needs this can read it' }),
});
console.log(data); // { message: 'Securely processed', received: { ... } }
