// Iterators over streams that can be left while they wait.

const CLOSED = new DOMException('the stream was closed', 'AbortError');

/**
 * An async generator whose `return` and `throw` do not wait for the next chunk, as those of an async generator function
 * do: they end the transport and with it whatever waits.
 */
export class TextStream implements AsyncGenerator<string, void, void> {
  readonly #controller = new AbortController();
  readonly #texts: AsyncGenerator<string, void, void>;

  /** `open` is called for the first chunk, with a signal of this stream alone. */
  constructor(
    open: (signal: AbortSignal) => AsyncGenerator<string, void, void>,
    signal: AbortSignal | null | undefined,
  ) {
    this.#texts = untilClosed(open, this.#controller, signal);
  }

  next(): Promise<IteratorResult<string, void>> {
    return this.#texts.next();
  }

  return(): Promise<IteratorResult<string, void>> {
    this.#controller.abort(CLOSED);
    return this.#texts.return();
  }

  throw(error: unknown): Promise<IteratorResult<string, void>> {
    this.#controller.abort(error);
    return this.#texts.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

async function* untilClosed(
  open: (signal: AbortSignal) => AsyncGenerator<string, void, void>,
  controller: AbortController,
  signal: AbortSignal | null | undefined,
): AsyncGenerator<string, void, void> {
  const forward = () => controller.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', forward, { once: true });
  try {
    yield* open(controller.signal);
  } catch (error) {
    if (error !== CLOSED) throw error;
  } finally {
    signal?.removeEventListener('abort', forward);
  }
}
