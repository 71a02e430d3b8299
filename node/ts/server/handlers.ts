// The Web-standard handlers of a server.

/** All handlers of one configuration. */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled with the handlers
export interface Nen {}
