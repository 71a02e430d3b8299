// A client of a guard, without HTTP between them.
import { binding } from '../dist/binding.js';

export class Peer {
  client = new binding.Client({}, null);

  constructor(guard) {
    this.guard = guard;
  }

  static async connect(guard) {
    const peer = new Peer(guard);
    await peer.handshake();
    return peer;
  }

  async handshake() {
    const handshake = await this.client.handshake();
    const { status, body } = await this.respond('handshake', 'POST', [], handshake.body);
    this.client.establish(handshake, status, body, Date.now());
  }

  request() {
    const { headers } = this.client.call('GET', '/api/data').seal(null, Date.now());
    return { method: 'GET', target: '/api/data', headers: headers.flat() };
  }

  async admit(request = this.request()) {
    return this.guard.admit(request);
  }

  async respond(endpoint, method, headers, body = Buffer.alloc(0)) {
    return this.guard.respond(endpoint, { method, target: `/api/nen/${endpoint}`, headers }, body);
  }

  async lifecycle(name, method) {
    const call = this.client[name](`/api/nen/${name}`);
    const { headers, body } = await call.seal(Date.now());
    const answer = await this.respond(name, method, headers.flat(), body);
    return call.open(answer.status, null, answer.body, Date.now());
  }
}
