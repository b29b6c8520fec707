// Subscribes over the gRPC Consume stream and prints what comes.
//
// Reconnects with growing, random pauses, and asks the server for what it missed: the position (epoch
// and offset) of the last publication of each channel goes into the next connect request.
import { setTimeout as pause } from 'node:timers/promises';

import { status } from '@grpc/grpc-js';

import { args, backoffMs, connect, load } from './wire.js';

const CONNECT_TIMEOUT_MS = 10_000; // until the connect push
const PING_GRACE_MS = 10_000; // nothing for the ping interval and this long: the connection is dead

const UniStream = load('unistream.proto', 'centrifugal.centrifugo.unistream.CentrifugoUniStream');

class Enough extends Error {} // as many publications as wanted
class Refused extends Error {} // the server does not want us, and will not change its mind

class Subscriber {
  positions = new Map(); // channel: {epoch, offset}, where the server keeps history
  received = 0;
  attempt = 0;

  constructor(values) {
    const { channel, token, count } = values;
    Object.assign(this, { values, channels: channel, token, count: Number(count) });
  }

  async run() {
    for (;;) {
      // Each time a new connection: the old one may be dead without having noticed.
      const client = connect(UniStream, this.values);
      const reason = await this.consume(client).catch((error) => {
        if (error instanceof Enough || error instanceof Refused) throw error;
        return error.code === undefined
          ? error.message
          : `${status[error.code]}: ${error.details}`;
      }).finally(() => client.close());
      const ms = Math.round(backoffMs(this.attempt++));
      console.error(`reconnecting in ${ms} ms: ${reason}`);
      await pause(ms);
    }
  }

  // One stream, until it is over; returns or throws why.
  async consume(client) {
    const call = client.Consume(this.request());
    call.on('error', () => {}); // the loop below throws it; one that comes after the loop is no news
    let silent = false;
    let watchdog;
    const watch = (ms) => {
      clearTimeout(watchdog);
      if (ms === Infinity) return;
      watchdog = setTimeout(() => {
        silent = true;
        call.cancel();
      }, ms);
    };
    let patience = CONNECT_TIMEOUT_MS;
    watch(patience);
    try {
      for await (const push of call) {
        if (push.connect) {
          const { ping } = push.connect; // 0: no pings, only keepalive can tell
          patience = ping > 0 ? ping * 1000 + PING_GRACE_MS : Infinity;
        }
        watch(patience);
        this.onPush(push);
      }
    } catch (error) {
      throw silent ? new Error('the server is silent') : error;
    } finally {
      clearTimeout(watchdog);
      call.cancel();
    }
    return 'the stream ended';
  }

  request() {
    const position = (channel) =>
      this.positions.has(channel) ? { recover: true, ...this.positions.get(channel) } : {};
    return {
      token: this.token,
      name: 'node-example',
      subs: Object.fromEntries(this.channels.map((channel) => [channel, position(channel)])),
    };
  }

  // Throws when this connection is over. An empty push is a ping: it did its work by coming.
  onPush({ channel, connect, pub, disconnect }) {
    if (connect) this.onConnect(connect);
    else if (pub) this.onPublication(channel, pub);
    else if (disconnect) this.onDisconnect(disconnect);
  }

  onConnect({ client, subs }) {
    console.log(`connected ${client}`);
    this.attempt = 0;
    for (const channel of this.channels) {
      if (!subs[channel]) throw new Refused(`refused ${channel}`);
      this.onSubscribed(channel, subs[channel]);
    }
  }

  onSubscribed(channel, { recoverable, recovered, epoch, offset, publications }) {
    const known = this.positions.get(channel);
    const outcome = !known ? '-' : recovered ? 'yes' : 'no';
    console.log(`subscribed ${channel} recovered=${outcome} offset=${offset}`);
    if (outcome === 'no') console.log(`lost ${channel}`);
    this.positions.delete(channel);
    if (recoverable) {
      // What was recovered comes now, one by one: the position moves with it.
      this.positions.set(channel, { epoch, offset: recovered ? known.offset : offset });
    }
    for (const publication of publications) this.onPublication(channel, publication);
  }

  onPublication(channel, { offset, data }) {
    const known = this.positions.get(channel);
    if (known) known.offset = offset;
    console.log(`${channel} #${offset} ${data}`);
    if (++this.received === this.count) throw new Enough();
  }

  onDisconnect({ code, reason }) {
    const line = `disconnected ${code} ${reason}`;
    if ((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999)) throw new Refused(line);
    console.error(line);
    throw new Error(line);
  }
}

const { values } = args(
  {
    channel: { type: 'string', multiple: true },
    token: { type: 'string', default: process.env.GUSH_TOKEN ?? '' },
    count: { type: 'string', default: '0' },
  },
  ({ values: { channel }, positionals }) => {
    if (!channel || positionals.length > 0) throw new Error('--channel is missing, or too much given');
  },
);
values.address ??= '127.0.0.1:11000';
try {
  await new Subscriber(values).run();
} catch (error) {
  if (!(error instanceof Enough)) {
    console.error(error instanceof Refused ? error.message : error);
    process.exitCode = 1;
  }
}
