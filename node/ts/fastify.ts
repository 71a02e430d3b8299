// `@withnen/native/fastify`

export { type FastifyLike, type NenFastifyOptions, nenFastify } from './adapters/fastify-plugin.js';
