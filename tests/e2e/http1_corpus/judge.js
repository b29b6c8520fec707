// What Node's HTTP parser makes of bytes. In: a JSON list of base64. Out: for each, the statuses that
// a server with the paths of the corpus gave, or [] if it saw no request.
'use strict';
const http = require('http');
const net = require('net');

function answer(request, response) {
  const path = request.url.replace(/^https?:\/\/[^/?]*/i, '').replace(/\?.*$/, '') || '/';
  const body = [];
  request.on('data', (piece) => body.push(piece));
  request.on('end', () => {
    const text = Buffer.concat(body).toString('latin1');
    if (path === '*' || path === '/health') response.statusCode = 200;
    else if (path !== '/api/publish') response.statusCode = 404;
    else if (request.method !== 'POST') response.statusCode = 405;
    else response.statusCode = text === '{"channel":"x","data":1}' ? 200 : 400;
    response.setHeader('Content-Length', 0);
    response.end();
  });
}

// Statuses of answers without bodies, in the order in which they came.
const statusesOf = (text) => [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map((m) => Number(m[1]))
  .filter((status) => status !== 100);

function judge(port, bytes) {
  return new Promise((resolve) => {
    let text = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(statusesOf(text));
    };
    const timer = setTimeout(done, 2000);
    socket.on('data', (piece) => { text += piece.toString('latin1'); });
    socket.on('error', done);
    socket.on('close', done);
  });
}

const server = http.createServer({ insecureHTTPParser: false }, answer);
server.listen(0, '127.0.0.1', async () => {
  const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const { port } = server.address();
  const results = await Promise.all(cases.map((one) => judge(port, Buffer.from(one, 'base64'))));
  process.stdout.write(JSON.stringify(results), () => process.exit(0));
});
