// `@withnen/native/node`

export { type NodeListener, nenListener } from './adapters/node-listener.js';
