// What the programs share: arguments of the connection, gRPC clients from proto/, pauses.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 10_000;

const OPTIONS = {
  'grpc.keepalive_time_ms': 30_000, // finds out that the peer is gone
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
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

// A client of |service| ('package.Service') in |schema|, with the connection that |values| name.
export function connect(schema, service, values, more = {}) {
  const path = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, 'proto', schema);
  const definition = loadSync(path, { keepCase: true, longs: String, enums: String, defaults: true });
  const Client = grpc.makeGenericClientConstructor(definition[service], service);
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
