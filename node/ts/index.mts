// `@withnen/native`

export * from './client.mjs';
