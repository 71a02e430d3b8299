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

  /** The URL of a path under the base URL, or of an absolute URL of the same origin. */
  resolve(path: string | URL): URL {
    const text = String(path);
    const absolute = path instanceof URL || /^[a-z][a-z\d+.-]*:/i.test(text);
    const url = new URL(absolute ? text : this.#origin + this.#path + text.replace(/^(?!\/)/, '/'));
    if (url.origin !== this.#origin) {
      throw new TypeError(`${url.origin} is not the server of this client, which is ${this.#origin}`);
    }
    return url;
  }
}

function parse(baseUrl: string | URL): URL {
  if (baseUrl !== '') return new URL(baseUrl);
  const origin = (globalThis as { location?: { origin?: string } }).location?.origin;
  if (origin === undefined || origin === 'null') {
    throw new TypeError(
      "the base URL '' means the origin of the page, and there is none here: " +
        "pass the server's URL, for example 'https://api.example.com'",
    );
  }
  return new URL(origin);
}
