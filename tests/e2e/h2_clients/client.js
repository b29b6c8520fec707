// Node's http2: GET, HEAD, POST with a body that is too large, and many event streams on one session.
//   node client.js CA.pem BASE_URL STREAMS     speaks as main.go does
"use strict";
const fs = require("fs");
const http2 = require("http2");
const readline = require("readline");

const [, , ca, base, streams] = process.argv;
const session = http2.connect(base, { ca: fs.readFileSync(ca) });

function fail(text) {
  console.error(text);
  process.exit(1);
}
session.on("error", (error) => fail(String(error)));

function request(method, path, body) {
  return new Promise((resolve) => {
    const stream = session.request({ ":method": method, ":path": path });
    let headers, size = 0;
    stream.on("response", (h) => { headers = h; });
    stream.on("data", (chunk) => { size += chunk.length; });
    stream.on("error", (error) => fail(`${method} ${path}: ${error}`));
    stream.on("end", () => resolve([headers[":status"], size, headers["content-length"]]));
    stream.end(body);
  });
}

async function check(method, path, body, status, length) {
  const got = await request(method, path, body);
  if (got[0] !== status || (length !== undefined && (got[1] !== 0 || got[2] !== length)))
    fail(`${method} ${path}: ${got}`);
}

// One event stream: calls seen(text) for all that comes.
function listen(seen) {
  return new Promise((resolve) => {
    const subs = encodeURIComponent('{"subs":{"c":{}}}');
    const stream = session.request({ ":path": `/connection/uni_sse?cf_connect=${subs}` });
    stream.setEncoding("utf8");
    stream.on("data", (text) => { resolve(); seen(text); });
    stream.on("error", (error) => fail(`stream: ${error}`));
    stream.on("end", () => fail("a stream ended"));
  });
}

async function main() {
  await check("GET", "/nowhere", undefined, 404);
  await check("HEAD", "/nowhere", undefined, 404, "19");
  await check("POST", "/connection/uni_sse", " ".repeat(1 << 20), 413);
  const texts = new Array(Number(streams)).fill("");
  await Promise.all(texts.map((_, i) => listen((more) => { texts[i] += more; })));
  console.log("ready");
  readline.createInterface({ input: process.stdin }).once("line", (line) => {
    const [marker, count] = line.split(" ");
    const timer = setInterval(() => {
      if (texts.every((t) => t.split(marker).length - 1 >= Number(count))) {
        clearInterval(timer);
        console.log("done");
        process.exit(0);
      }
    }, 10);
  });
}
main();
