// The same module for import as for require, so that there is one of each thing.

import core = require('./core-crypto.js');

export * from './core-crypto.js';
export default core.default;
