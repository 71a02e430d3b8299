// Changes of a session: one at a time, and once for all who want the same at the same time.

import { AsyncLocalStorage } from 'node:async_hooks';
import { abortable } from './abortable.js';

interface Flight {
  done: Promise<void>;
  waiting: number;
  readonly controller: AbortController;
}

/** A change goes on as long as somebody waits for it; when all have aborted, it is aborted. */
export class Flights {
  readonly #pending = new Map<string, Flight>();
  readonly #inside = new AsyncLocalStorage<Flight>();
  #flying: Flight | undefined;
  #last: Promise<void> = Promise.resolve();

  /** Waits for the change with this key, and starts it if it is not under way. */
  async join(
    key: string,
    change: (signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal | null | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    if (this.#flying !== undefined && this.#inside.getStore() === this.#flying) {
      throw new Error(
        'a call made by the fetch implementation, while the same client changes its session, would wait for itself',
      );
    }
    const flight = this.#pending.get(key) ?? this.#start(key, change);
    flight.waiting++;
    try {
      await abortable(flight.done, signal);
    } finally {
      if (--flight.waiting === 0 && this.#pending.get(key) === flight) {
        this.#pending.delete(key); // Whoever wants it next starts it anew.
        flight.controller.abort();
      }
    }
  }

  #start(key: string, change: (signal: AbortSignal) => Promise<unknown>): Flight {
    const flight: Flight = { done: this.#last, waiting: 0, controller: new AbortController() };
    flight.done = this.#last
      .then(() => this.#fly(flight, change))
      .finally(() => {
        if (this.#pending.get(key) === flight) this.#pending.delete(key);
      });
    this.#pending.set(key, flight);
    this.#last = flight.done.catch(() => {});
    return flight;
  }

  async #fly(flight: Flight, change: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const { signal } = flight.controller;
    signal.throwIfAborted();
    this.#flying = flight;
    try {
      await this.#inside.run(flight, () => change(signal));
    } finally {
      this.#flying = undefined;
      this.#inside.disable(); // It slows down each promise of the process on older versions of Node.
    }
  }
}
