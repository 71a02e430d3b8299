import { createNenFetch } from '@withnen/client';
const nenFetch = createNenFetch(''); // same-origin
const data = await nenFetch('/api/secure-data', {
method: 'POST',
body: JSON.stringify({ amount: 1840 }),
});
