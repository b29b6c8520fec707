// What the programs share: arguments of the connection, gRPC clients from proto/, pauses.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 10_000;

const MESSAGE_MAX_BYTES = 64 << 20; // the connect push carries all that was missed

const OPTIONS = {
  'grpc.max_receive_message_length': MESSAGE_MAX_BYTES,
  'grpc.keepalive_time_ms': 30_000, // finds out that the peer is gone
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.use_local_subchannel_pool': 1, // a new client is a new connection
  // The pauses are ours: gRPC itself should not wait much longer.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

// The values of the flags in |options| (see parseArgs) and of those of every connection.
export function args(options, usable) {
  try {
    const parsed = parseArgs({
      allowPositionals: true,
      options: {
        address: { type: 'string' },
        'tls-ca': { type: 'string' },
        'tls-cert': { type: 'string' },
        'tls-key': { type: 'string' },
        ...options,
      },
    });
    usable(parsed);
    return parsed;
  } catch (error) {
    console.error(`${error.message}; see ../README.md`);
    return process.exit(2);
  }
}

// The client class of |service| ('package.Service') in |schema|.
export function load(schema, service) {
  const path = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, 'proto', schema);
  const definition = loadSync(path, { keepCase: true, longs: String, enums: String, defaults: true });
  return grpc.makeGenericClientConstructor(definition[service], service);
}

// A client of that class, with a connection of its own to what |values| name.
export function connect(Client, values, more = {}) {
  return new Client(values.address, credentials(values), { ...OPTIONS, ...more });
}

function credentials(values) {
  if (!values['tls-ca']) return grpc.credentials.createInsecure();
  const read = (name) => (values[name] ? readFileSync(values[name]) : null);
  return grpc.credentials.createSsl(read('tls-ca'), read('tls-key'), read('tls-cert'));
}

// Exponential with full jitter: clients that fell together do not come back together.
export function backoffMs(attempt) {
  return Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt);
}
