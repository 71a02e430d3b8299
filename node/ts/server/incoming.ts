// A request as it arrived, whatever brought it.

/** What a signature covers, and the headers that carry it. */
export interface Incoming {
  /** The method as it travelled. */
  readonly method: string;
  /** The path as it travelled, percent-encoded, perhaps with a query: of a mounted application, the outer one. */
  readonly target: string;
  /** Names and values in turn, as in Node's `rawHeaders`: at least those of the protocol. */
  readonly headers: string[];
}
