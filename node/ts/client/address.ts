// Base URLs, and the paths under them.

/** A server's address: the base URL of a client. */
export class Address {
  readonly #origin: string;
  readonly #path: string;

  /** `''` is the origin of the page that the client runs in. */
  constructor(baseUrl: string | URL) {
    const url = parse(baseUrl);
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      throw new TypeError(`the base URL must be http or https, not ${url.protocol}`);
    }
    if (url.search || url.hash || url.username || url.password) {
      throw new TypeError('the base URL must have no query, fragment or credentials');
    }
    this.#origin = url.origin;
    this.#path = url.pathname.replace(/\/+$/, '');
  }

  /**
   * The URL of a path under the base URL, or of an absolute URL that is under it. Its `pathname` is what fetch sends, so
   * that is what can be signed.
   */
  resolve(path: string | URL): URL {
    const url = path instanceof URL ? new URL(path) : this.#parse(path);
    if (url.origin !== this.#origin) {
      throw new TypeError(`${url.origin} is not the server of this client, which is ${this.#origin}`);
    }
    if (url.username || url.password) throw new TypeError('a URL must have no credentials: send a header');
    if (!url.pathname.startsWith(`${this.#path}/`)) {
      throw new TypeError(`the path is not under the base URL, ${this}`);
    }
    url.hash = '';
    return url;
  }

  #parse(path: string): URL {
    if (typeof path !== 'string') {
      throw new TypeError(
        'the first argument must be a path or URL; method, headers and body of a Request go to the second',
      );
    }
    if (/^https?:\/\//i.test(path)) return urlOf(path, 'the URL');
    // Neither an authority nor what URLs strip, and so would become one: all that is here stays a path.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be
    if (!/^\/(?![/\\])[^\x00-\x1f]*$/.test(path)) {
      throw new TypeError('the path must begin with one slash and have no control characters');
    }
    return urlOf(this.#origin + this.#path + path, 'the path');
  }

  toString(): string {
    return this.#origin + this.#path;
  }
}

function parse(baseUrl: string | URL): URL {
  if (baseUrl !== '') return urlOf(baseUrl, 'the base URL');
  const origin = (globalThis as { location?: { origin?: string } }).location?.origin;
  if (origin === undefined || origin === 'null') {
    throw new TypeError(
      "the base URL '' means the origin of the page, and there is none here: " +
        "pass the server's URL, for example 'https://api.example.com'",
    );
  }
  return new URL(origin);
}

function urlOf(text: string | URL, name: string): URL {
  if (URL.canParse(String(text))) return new URL(text);
  // The error of `new URL` repeats its input, which may hold a password.
  throw new TypeError(`${name} is not valid: it must be like https://api.example.com/path`);
}
