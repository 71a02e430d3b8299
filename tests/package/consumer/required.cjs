const main = require('@withnen/native');
const server = require('@withnen/native/server');
const { run } = require('./program.cjs');

run({ ...main, ...server }, require('@withnen/native/node'), require('@withnen/native/core-crypto'));
