// Publishes its arguments, or the lines of stdin, through the gRPC API, each exactly once.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

import { Metadata, compressionAlgorithms, status } from '@grpc/grpc-js';

import { args, backoffMs, connect, load } from './wire.js';

const { values, positionals } = args(
  {
    channel: { type: 'string' },
    key: { type: 'string', default: process.env.GUSH_API_KEY ?? '' },
    gzip: { type: 'boolean' },
    'deadline-ms': { type: 'string', default: '30000' },
    'idempotency-prefix': { type: 'string', default: randomUUID() },
    health: { type: 'boolean' },
  },
  ({ values: { channel, health } }) => {
    if (!channel && !health) throw new Error('--channel is missing');
  },
);
values.address ??= '127.0.0.1:10000';

const deadlineFromNow = () => new Date(Date.now() + Number(values['deadline-ms']));

async function health() {
  const client = connect(load('health.proto', 'grpc.health.v1.Health'), values);
  const check = promisify(client.Check.bind(client));
  try {
    const answer = await check({ service: '' }, new Metadata(), { deadline: deadlineFromNow() });
    console.log(answer.status);
    if (answer.status !== 'SERVING') process.exitCode = 1;
  } finally {
    client.close();
  }
}

// The answer to |request|. What is sent again carries the same idempotency key.
async function insist(publish, request, metadata) {
  const deadline = deadlineFromNow();
  for (let attempt = 0; ; attempt++) {
    try {
      return await publish(request, metadata, { deadline });
    } catch (error) {
      const ms = Math.round(backoffMs(attempt));
      if (error.code !== status.UNAVAILABLE || Date.now() + ms >= deadline) throw error;
      console.error(`retrying in ${ms} ms: ${error.details}`);
      await pause(ms);
    }
  }
}

async function publishAll(publications) {
  const client = connect(load('api.proto', 'centrifugal.centrifugo.api.CentrifugoApi'), values, {
    'grpc.default_compression_algorithm':
      values.gzip ? compressionAlgorithms.gzip : compressionAlgorithms.identity,
  });
  const publish = promisify(client.Publish.bind(client));
  const metadata = new Metadata();
  if (values.key) metadata.set('authorization', `apikey ${values.key}`);
  const { channel, 'idempotency-prefix': prefix } = values;
  let published = 0;
  try {
    for await (const data of publications) {
      const request = { channel, data: Buffer.from(data), idempotency_key: `${prefix}-${++published}` };
      const { error, result } = await insist(publish, request, metadata);
      if (error) throw error; // has a code and a message, too
      console.log(`${channel} #${result.offset}`);
    }
  } finally {
    client.close();
  }
}

try {
  if (values.health) await health();
  else await publishAll(positionals.length > 0 ? positionals : createInterface(process.stdin));
} catch (error) {
  // An API error has a message, the error of a call has details.
  console.error(`error ${status[error.code] ?? error.code} ${error.details ?? error.message}`);
  process.exitCode = 1;
  process.stdin.destroy();
}
