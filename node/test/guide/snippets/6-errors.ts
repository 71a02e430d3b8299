import { NenError } from '@withnen/client'; // or '@withnen/server'
try {
const data = await nenFetch('/api/secure-data', {
method: 'POST',
body: JSON.stringify({ amount: 1840 }),
});
} catch (err) {
if (err instanceof NenError) {
switch (err.code) {
case 'ISO-2002': // session expired
await client.handshake(); // re-establish and retry
break;
case 'ISO-3001': // HMAC missing — should not happen with the SDK
case 'ISO-3002': // HMAC mismatch — request tampered
console.error('Auth failure', err.code, err.message);
break;
default:
console.error('Nen error', err.code, err.message);
}
}
}
