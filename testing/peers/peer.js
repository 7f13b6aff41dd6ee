// SPDX-License-Identifier: Apache-2.0
//
// A peer of Weir's in Node; language_peer_test.py says what peers do.

'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const tls = require('tls');

const LINES = 3;
const MUCH = Buffer.alloc(300000).map((_, i) => 97 + (i % 23));
const folder = process.argv[2];

const read = (name) => fs.readFileSync(path.join(folder, name));
const pair = (name) => ({cert: read(name + '.pem'), key: read(name + '.key')});
const terms = (version) => ({
  ca: read('root.pem'),
  minVersion: 'TLSv' + version,
  maxVersion: 'TLSv' + version,
  ALPNProtocols: ['weir'],
  allowHalfOpen: true,
});

// Not by `for await`, which destroys the socket in both directions when one has ended.
function readAll(socket) {
  return new Promise((resolve) => {
    const parts = [];
    socket.on('data', (part) => parts.push(part));
    socket.once('end', () => resolve(Buffer.concat(parts)));
  });
}

async function endFirst(socket) {
  const all = readAll(socket);
  socket.end(MUCH);
  if (!(await all).equals(MUCH)) throw new Error('something else came back');
}

async function endLast(socket) {
  socket.end(await readAll(socket));
}

async function sendLines(socket) {
  const lines = readline.createInterface({input: socket})[Symbol.asyncIterator]();
  for (let i = 0; i < LINES; i++) {
    const line = `level ${i} level`;
    socket.write(line + '\r\n');
    if ((await lines.next()).value !== line) throw new Error('another line came back');
  }
  socket.end();
}

async function sendLinesBack(socket) {
  socket.pipe(socket);
}

// Resolves when all is over in both directions.
async function converse(socket, talk, isServer) {
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const certificate = Object.keys(socket.getPeerCertificate() || {}).length > 0;
  console.log(`version=${socket.getProtocol().slice(4)} protocol=${socket.alpnProtocol || ''} ` +
      `certificate=${certificate}`);
  const lines = isServer ? sendLinesBack : sendLines;
  await {first: endFirst, last: endLast, lines}[talk](socket);
  socket.resume();
  await closed;
}

function listen(talk, version, asks) {
  const options = {...terms(version), ...pair('server'), requestCert: asks === 'asks'};
  const server = tls.createServer(options);
  return new Promise((resolve, reject) => {
    server.once('secureConnection', (socket) => {
      socket.once('error', reject);
      converse(socket, talk, true).then(resolve, reject);
    });
    server.once('tlsClientError', reject);
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  }).finally(() => server.close());
}

function connect(talk, version, shows, port) {
  const own = shows === 'shows' ? pair('client') : {};
  const options = {
    ...terms(version), ...own, host: '127.0.0.1', port: Number(port), servername: 'localhost'};
  return new Promise((resolve, reject) => {
    const socket = tls.connect(options);
    socket.once('error', reject);
    socket.once('secureConnect', () => converse(socket, talk, false).then(resolve, reject));
  });
}

async function main() {
  for await (const command of readline.createInterface({input: process.stdin})) {
    const [role, ...words] = command.split(' ');
    try {
      await (role === 'listen' ? listen : connect)(...words);
      console.log('done');
    } catch (error) {
      console.log('failed: ' + error.message.split('\n')[0]);
    }
  }
  process.exit();
}

main();
