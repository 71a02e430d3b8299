// The clock by which servers and stores go.
let now = 0;
Date.now = () => now;

/** @param {number} ms In Unix milliseconds. */
export function setClock(ms) {
  now = ms;
}
