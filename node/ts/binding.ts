// The native module: its shape, and how the binary for this platform is found.

import { join } from 'node:path';

export type HeaderPairs = [name: string, value: string][];

export interface ErrorInfo {
  readonly code: string;
  readonly name: string;
  readonly category: string;
  readonly status: number;
  readonly message: string;
  readonly hint: string;
}

export interface SealedRequest {
  sessionId: string;
  headers: HeaderPairs;
  body?: Buffer;
}

export interface CallOutcome {
  kind: 'answer' | 'foreign' | 'repeat' | 'reestablish';
  json?: string;
}

export interface NativeCall {
  seal(body: Uint8Array | null, nowMs: number): SealedRequest;
  sealInBackground(body: Uint8Array, nowMs: number): Promise<SealedRequest>;
  open(status: number, date: string | null, body: Uint8Array, nowMs: number): CallOutcome;
  openInBackground(
    status: number,
    date: string | null,
    body: Uint8Array,
    nowMs: number,
  ): Promise<CallOutcome>;
  openStream(nonceHeader: string | null): StreamOpener;
}

export interface StreamOpener {
  readonly finished: boolean;
  push(bytes: Uint8Array): void;
  nextChunk(): Buffer | null;
  end(): void;
}

export interface StreamSealer {
  readonly nonceHeader: string;
  seal(chunk: Uint8Array): Buffer;
  finish(): Buffer;
}

export interface LifecycleAnswer {
  kind: 'done' | 'repeat' | 'reestablish';
  result?: boolean;
}

export interface LifecycleCall {
  readonly method: string;
  seal(nowMs: number): Promise<SealedRequest>;
  open(status: number, date: string | null, body: Uint8Array, nowMs: number): LifecycleAnswer;
}

export interface NativeHandshake {
  readonly body: Buffer;
  discard(): void;
}

export interface NativeClient {
  readonly sessionId: string | null;
  handshake(): Promise<NativeHandshake>;
  establish(handshake: NativeHandshake, status: number, body: Uint8Array, nowMs: number): void;
  rotate(target: string): LifecycleCall;
  terminate(target: string): LifecycleCall;
  status(target: string): LifecycleCall;
  call(method: string, target: string): NativeCall;
}

export interface NativeIdentity {
  readonly publicKey: Buffer;
  toPkcs8(): Buffer;
}

export interface Answer {
  status: number;
  body: Buffer;
}

/** The forms of an answer that is sealed whole. */
export type WholeForm = 'json' | 'text';

export interface Exchange {
  readonly sessionId: string;
  readonly identity: Buffer | null;
  readonly maxBody: number;
  refuseLongBody(): void;
  open(body: Uint8Array): Buffer | null;
  openInBackground(body: Uint8Array): Promise<Buffer | null>;
  seal(form: WholeForm, status: number, body: Uint8Array): Answer;
  sealInBackground(form: WholeForm, status: number, body: Uint8Array): Promise<Answer>;
  stream(): StreamSealer;
}

export interface ServerOptions {
  prefix?: string;
  sessionTtlMs?: number;
  windowMs?: number;
  maxBody?: number;
  strict?: boolean;
  noncesForSession?: boolean;
  requireSignedLifecycle?: boolean;
  requireIdentity?: boolean;
  identities?: Uint8Array[];
}

export interface MemoryStore {
  get(sid: string, nowMs: number): string | null;
  set(sid: string, record: string, expiresMs: number, nowMs: number): void;
  delete(sid: string): void;
  claimNonce(sid: string, nonce: Uint8Array, untilMs: number, nowMs: number): boolean;
  readonly sessions: number;
  readonly nonces: number;
  sweep(nowMs: number): void;
}

/** A question to a store: one of its methods, and the arguments. */
export type Question =
  | { method: 'get' | 'delete'; sid: string }
  | { method: 'set'; sid: string; record: string; untilMs: number }
  | { method: 'claimNonce'; sid: string; nonce: Buffer; untilMs: number };

export interface AdmitCall {
  step(): Question | null;
  resume(reply: unknown): void;
  result(): Exchange;
}

export interface EndpointCall {
  step(): Question | null;
  resume(reply: unknown): Promise<void>;
  result(): Answer;
}

export interface StoreKeys {
  read(sid: string, record: string, ttlMs: number): Session;
  write(session: Session): string;
}

/** A session by itself: for test vectors. */
export interface Session {
  readonly sid: string;
  readonly identity: Buffer | null;
  toRecord(): string;
  sign(method: string, target: string, timestampMs: number, nonce: Uint8Array): Buffer;
  seal(nonce: Uint8Array, plaintext: Uint8Array): Buffer;
  open(nonce: Uint8Array, sealed: Uint8Array): Buffer;
}

export interface Accepted {
  readonly session: Session;
  readonly answer: Buffer;
}

export type Endpoint = 'handshake' | 'rotate' | 'terminate' | 'status';

export interface NativeServer {
  route(method: string, target: string): Endpoint | 'not-found' | null;
  respond(
    store: MemoryStore,
    endpoint: Endpoint,
    method: string,
    target: string,
    headers: string[],
    body: Uint8Array,
    nowMs: number,
  ): Promise<Answer>;
  beginRespond(
    endpoint: Endpoint,
    method: string,
    target: string,
    headers: string[],
    body: Uint8Array,
    nowMs: number,
  ): Promise<EndpointCall>;
  refuseLongHandshake(): void;
  admit(store: MemoryStore, method: string, target: string, headers: string[], nowMs: number): Exchange;
  beginAdmit(method: string, target: string, headers: string[], nowMs: number): AdmitCall;
}

export interface KeyPair {
  publicKey: Buffer;
  secretKey: Buffer;
}

export interface Binding {
  readonly VERSION: string;
  readonly PROTOCOL: string;
  readonly ENDPOINT_PREFIX: string;
  readonly JSON_CONTENT_TYPE: string;
  readonly STREAM_CONTENT_TYPE: string;
  readonly STREAM_NONCE_HEADER: string;
  readonly MAX_HANDSHAKE_BODY: number;
  readonly DEFAULT_MAX_CHUNK: number;
  readonly REMOTE_CLOCK_SLACK_MS: number;
  errorTable(): ErrorInfo[];
  registerErrorFactory(factory: (code: string, detail: string) => Error): void;
  errorBody(code: string): Buffer;
  streamHeaders(): HeaderPairs;
  signedHeaders(): string[];
  hiddenRequestHeaders(): string[];
  hiddenAnswerHeaders(): string[];
  formOfAnswer(
    status: number,
    contentType: string | null,
    contentEncoding: string | null,
    contentLength: string | null,
  ): WholeForm | 'stream';
  sealedSizeOfHead(form: WholeForm, contentLength: string | null): number | null;
  recordKey(sid: string): string;
  nonceKey(sid: string, nonce: Uint8Array): string;
  readonly Client: new (
    options: { correctClock?: boolean; maxChunk?: number },
    identity: NativeIdentity | null,
  ) => NativeClient;
  readonly Identity: {
    generate(): NativeIdentity;
    fromPkcs8(der: Uint8Array): NativeIdentity;
    [Symbol.hasInstance](value: unknown): value is NativeIdentity;
  };
  readonly MemoryStore: new (limits: {
    maxSessions?: number;
    maxNonces?: number;
    maxNoncesPerSession?: number;
  }) => MemoryStore;
  readonly Server: new (options?: ServerOptions, storeKeys?: StoreKeys) => NativeServer;
  readonly StoreKeys: new (keys: readonly (string | Uint8Array)[]) => StoreKeys;
  readonly Session: { ofClient(client: NativeClient): Session };
  /** For test vectors, and for nothing else: a session whose randomness somebody knows is open to them. */
  derandomizedHandshake(draws: Uint8Array): NativeHandshake;
  /** As {@link derandomizedHandshake}. */
  derandomizedAccept(server: NativeServer, draws: Uint8Array, body: Uint8Array, nowMs: number): Accepted;
  kemGenerate(): KeyPair;
  kemEncapsulate(publicKey: Uint8Array): { sharedSecret: Buffer; ciphertext: Buffer };
  kemDecapsulate(secretKey: Uint8Array, ciphertext: Uint8Array): Buffer;
  randomNonce(): Buffer;
  aeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Buffer;
  aeadOpen(key: Uint8Array, nonce: Uint8Array, ciphertext: Uint8Array): Buffer;
  hmacSign(key: Uint8Array, message: Uint8Array): Buffer;
  hmacVerify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  dsaGenerate(): KeyPair;
  dsaSign(secretKey: Uint8Array, message: Uint8Array): Buffer;
  dsaVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  base64Encode(bytes: Uint8Array): string;
  base64Decode(text: string): Buffer;
}

const manifest: { name: string; version: string } = require('../package.json');

/** Names of this platform as napi writes them. On Linux both C libraries are tried: the wrong one does not load. */
function platforms(): string[] {
  const system = `${process.platform}-${process.arch}`;
  switch (process.platform) {
    case 'linux':
      return [`${system}-gnu`, `${system}-musl`];
    case 'win32':
      return [`${system}-msvc`];
    default:
      return [system];
  }
}

/** Where the binary may be: named by the environment, built in this folder, or in the platform's own package. */
function candidates(): string[] {
  const named = process.env.NAPI_RS_NATIVE_LIBRARY_PATH;
  if (named) return [named];
  return platforms().flatMap((platform) => [
    join(__dirname, '..', `nen.${platform}.node`),
    `${manifest.name}-${platform}`,
  ]);
}

function load(): Binding {
  const failures: string[] = [];
  for (const candidate of candidates()) {
    try {
      return checkVersion(require(candidate), candidate);
    } catch (error) {
      if (error instanceof VersionMismatch) throw error;
      const [reason] = String((error as Error).message ?? error).split('\n');
      failures.push(`  - ${candidate}: ${reason}`);
    }
  }
  throw new Error(
    [
      `${manifest.name} ${manifest.version} has no native binary that loads on ` +
        `${process.platform}-${process.arch} with Node ${process.versions.node}. Looked for:`,
      ...failures,
      `Install again without --omit=optional (--no-optional) and on the platform that runs it, not on another ` +
        `one whose node_modules are copied over. If ${manifest.name} has no package for this platform, build it ` +
        `from source with Rust: npm run build:native.`,
      `If a bundler has taken ${manifest.name} in, keep it out, since native code cannot be bundled (Next.js: ` +
        `serverExternalPackages: ['${manifest.name}']).`,
    ].join('\n'),
  );
}

class VersionMismatch extends Error {}

function checkVersion(binding: Binding, from: string): Binding {
  if (binding.VERSION === manifest.version) return binding;
  throw new VersionMismatch(
    `${manifest.name} is version ${manifest.version}, but its native binary ${from} is version ` +
      `${binding.VERSION}. Install again, so that both are of one release; in the repository, build both.`,
  );
}

export const binding: Binding = load();
