// `@withnen/native`

export * from './client.js';
