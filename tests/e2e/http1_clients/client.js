// Node's http over HTTP/1.1.
//   node client.js BASE_URL API_KEY     speaks as main.go does
'use strict';
const http = require('http');
const zlib = require('zlib');

const [, , base, key] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const sockets = new Set();

function fail(text) {
  console.error(text);
  process.exit(1);
}

// Sends |pieces| as the body: chunked unless a length is among |fields|.
function request(method, path, pieces = [], fields = {}) {
  return new Promise((resolve) => {
    const r = http.request(base + path, { method, agent, headers: { 'X-API-Key': key, ...fields } });
    r.on('socket', (socket) => sockets.add(socket));
    r.on('error', (error) => fail(`${method} ${path}: ${error}`));
    r.on('response', (response) => {
      const content = [];
      response.on('data', (piece) => content.push(piece));
      response.on('end', () => resolve({ response, content: Buffer.concat(content) }));
    });
    const send = () => {
      pieces.forEach((piece) => r.write(piece));
      r.end();
    };
    if (fields.Expect) r.on('continue', send);
    else send();
    if (fields.Expect) r.flushHeaders();
  });
}

async function check(status, text, ...what) {
  const { response, content } = await request(...what);
  if (response.statusCode !== status || !content.toString().includes(text)) {
    fail(`${what[0]} ${what[1]}: ${response.statusCode} ${content.toString().slice(0, 200)}`);
  }
  return response;
}

async function main() {
  const publication = '{"channel":"c","data":{"from":"node"}}';
  const length = { 'Content-Length': publication.length };

  for (let i = 0; i < 3; i++) await check(200, '{}', 'GET', '/health');
  await check(404, '404 page not found\n', 'GET', '/nowhere');
  const head = await check(404, '', 'HEAD', '/nowhere');
  if (head.headers['content-length'] !== '19') fail(`HEAD: ${JSON.stringify(head.headers)}`);
  await check(200, '"result"', 'POST', '/api/publish', [publication], length);
  await check(200, '"result"', 'POST', '/api/publish', [publication.slice(0, 9), publication.slice(9)]);
  await check(200, '"result"', 'POST', '/api/publish', [publication],
    { ...length, Expect: '100-continue' });
  const { response, content } = await request('POST', '/api/history',
    ['{"channel":"long","limit":-1}'], { 'Accept-Encoding': 'gzip' });
  if (response.headers['content-encoding'] !== 'gzip' || response.headers.vary !== 'Accept-Encoding' ||
      !zlib.gunzipSync(content).includes('"publications"')) {
    fail(`history: ${JSON.stringify(response.headers)}`);
  }
  if (sockets.size !== 1) fail(`${sockets.size} connections`);
  await check(413, '', 'POST', '/connection/uni_sse', [], { 'Content-Length': 0, ...large() });

  const subs = encodeURIComponent('{"subs":{"c":{}}}');
  http.get(`${base}/connection/uni_sse?cf_connect=${subs}`, (stream) => {
    let text = '';
    stream.on('data', (piece) => {
      text += piece;
      if (text.includes('"connect"')) {
        console.log('ok');
        process.exit(0);
      }
    });
  });
}

// Only says that it is large: Node reports a connection that ends while it sends as an error.
function large() {
  return { 'Content-Length': 1 << 20, Expect: '100-continue' };
}

main();
