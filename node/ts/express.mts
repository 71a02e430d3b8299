// The same module for import as for require, so that there is one NenError.

export * from './express.js';
