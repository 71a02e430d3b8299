import { withNen } from '@withnen/server';
export const POST = withNen(async (req, body) => {
// `body` is already decrypted and the request is already authenticated.
return { message: 'Securely processed', received: body };
});
