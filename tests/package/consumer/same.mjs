// One class for both kinds of import, whichever path it comes by.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { NenError } from '@withnen/native';

const require = createRequire(import.meta.url);
for (const path of ['', '/client', '/server']) {
  assert.equal(require(`@withnen/native${path}`).NenError, NenError);
  assert.equal((await import(`@withnen/native${path}`)).NenError, NenError);
}
const { nen_from_base64 } = require('@withnen/native/core-crypto');
assert.throws(() => nen_from_base64('%'), NenError);
