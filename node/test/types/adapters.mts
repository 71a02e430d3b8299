// The adapters fit their frameworks' own types.
import { createServer } from 'node:http';
import { nenExpress } from '@withnen/native/express';
import { nenFastify } from '@withnen/native/fastify';
import { nenListener } from '@withnen/native/node';
import { createNen, type Peer, peerOf } from '@withnen/native/server';
import express from 'express';
import fastify from 'fastify';
import fastify4 from 'fastify4';

const nen = createNen();

const app = express();
app.use(nenExpress(nen));
app.use('/api', nenExpress());
app.post('/single', nenExpress(nen), (req, res) => {
  const peer: Peer | undefined = peerOf(req);
  res.json({ body: req.body, peer });
});

createServer(nenListener(app, nen));
createServer(nenListener(async (_, res) => void res.end()));

const instance = fastify();
await instance.register(nenFastify, { nen });
await instance.register(nenFastify, { nen, prefix: '/x' });
await instance.register(nenFastify);
instance.get('/x', async (request) => peerOf(request) ?? peerOf(request.raw));
await fastify4().register(nenFastify, { nen });

// A Nen is what createNen returns, and no object of options.
// @ts-expect-error
nenExpress({ nen: 1 });
// @ts-expect-error
nenListener(app, { nen: 1 });
// @ts-expect-error
await instance.register(nenFastify, { nen: 1 });
