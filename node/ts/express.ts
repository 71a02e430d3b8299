// `@withnen/native/express`

export { type NenMiddleware, nenExpress } from './adapters/express-middleware.js';
