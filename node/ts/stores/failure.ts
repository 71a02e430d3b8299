// What may be told of the failure of a store.

/** The name and code of what was thrown. Its text and other members may quote a record, or a key of the store. */
export function nameOf(error: unknown): string {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  const words = [name === 'Error' ? (error as Error).constructor?.name : name, code];
  return (
    words.filter((word) => typeof word === 'string' && /^\w{1,64}$/.test(word)).join(' ') || typeof error
  );
}
