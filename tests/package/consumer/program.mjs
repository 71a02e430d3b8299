import * as main from '@withnen/native';
import * as core from '@withnen/native/core-crypto';
import * as node from '@withnen/native/node';
import * as server from '@withnen/native/server';
import { run } from './program.cjs';

await run({ ...main, ...server }, node, core);
