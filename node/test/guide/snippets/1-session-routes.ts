import {
handleHandshake,
handleTerminate,
handleStatus,
handleRotate,
setSessionStore,
InMemorySessionStore,
// RedisSessionStore, // any node/serverless runtime
// UpstashSessionStore, // Edge runtimes (Workers, Vercel Edge) — REST, no TCP
} from '@withnen/server';
// ── Session store — pick one based on your runtime ──────────────────────────
//
// InMemorySessionStore → dev / single-instance only. Sessions live in
// process memory; a second instance or a cold start
// will not find the session → ISO-2002.
//
// RedisSessionStore → any Node.js / serverless runtime with TCP.
// Pass your ioredis / node-redis client.
//
// UpstashSessionStore → Edge runtimes (Vercel Edge, Cloudflare Workers).
// Uses the Upstash REST API over fetch — no TCP,
// no extra dependency. Set two env vars and done.
//
setSessionStore(new InMemorySessionStore()); // ← change this before going to prod
// setSessionStore(new RedisSessionStore(redisClient));
// setSessionStore(new UpstashSessionStore(
// process.env.UPSTASH_REDIS_REST_URL!,
// process.env.UPSTASH_REDIS_REST_TOKEN!,
// ));
export async function POST(req: Request, { params }: { params: Promise<{ action: string }> }) {
const { action } = await params;
switch (action) {
case 'handshake': return handleHandshake(req);
case 'rotate': return handleRotate(req);
case 'terminate': return handleTerminate(req);
default: return new Response('Not Found', { status: 404 });
}
}
export async function GET(req: Request, { params }: { params: Promise<{ action: string }> }) {
const { action } = await params;
if (action === 'status') return handleStatus(req);
return new Response('Not Found', { status: 404 });
}
