// What the Web-standard handlers accept; it is compiled and not run.
import { createNen, type Nen, type NenHandler, type Peer, peerOf } from '@withnen/native/server';

declare class NextRequest extends Request {
  readonly nextUrl: URL;
}
type Context = { params: Promise<{ id: string }> };
// As Next.js checks the exports of a route.
type Route = (request: NextRequest, context: Context) => Promise<Response | undefined>;

const nen: Nen = createNen({ strict: true });
const { withNen, withNenStream, protect, verifyRequest, decryptBody, encryptResponse, errorResponse } = nen;

const plain = withNen(async (req, body) => ({ message: 'Securely processed', received: body, url: req.url }));
const nothing = withNen(() => undefined, { strict: false });
const inferred = withNen(async (req, body, { params }) => ({ id: (await params).id, body, url: req.url }));
const typed = withNen(async (req: NextRequest, body: { a: number }, { params }: Context) => {
  return Response.json({ id: (await params).id, a: body.a.toFixed(), url: req.nextUrl.href });
});
const generator = withNenStream(async function* (req, body) {
  yield `${body.prompt} ${req.url}`;
});
const stream = withNenStream((req) => new ReadableStream<Uint8Array>({ cancel: () => console.log(req.url) }));
const list = withNenStream(async () => ['a', new Uint8Array(1)]);
const response = withNenStream(() => new Response('a'));
export const routes: Route[] = [plain, nothing, inferred, typed, generator, stream, list, response];

declare const request: Request;
const answers: Promise<Response>[] = [
  plain(request),
  inferred(request, {}),
  generator(request),
  list(request),
];
// @ts-expect-error: this handler needs its context
typed(request);
// @ts-expect-error: a number is no chunk
withNenStream(() => [1]);

const app = protect((req, env: { name: string }) => new Response(env.name + req.url));
answers.push(app(request, { name: '' }));

export const wrapper: NenHandler = async (req) => {
  try {
    const verified = await verifyRequest(req, { strict: true });
    const peer: Peer = verified.peer;
    return await encryptResponse(verified, { body: await decryptBody(verified), peer }, { status: 201 });
  } catch (error) {
    return errorResponse(error, req);
  }
};
export const identity: Uint8Array | undefined = peerOf(request)?.identity;
