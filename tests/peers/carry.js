'use strict';
// Carries random bytes through a server that sends back what it gets, in messages of any size, as binary messages or, in
// Hixie-76, as the base64 texts of websockify's subprotocol. All must come back the same; the borders of messages may
// have moved, as a raw TCP server behind the gateway knows none.
//
//   carry HOST PORT PATH BYTES VERSION    VERSION: hixie-76, or a version of ws: 8, 0.4.32/hybi-10

const { createHash, randomBytes, randomInt } = require('crypto');
const hixie76 = require('./lib/hixie-76.js');

const [host, port, path, bytes, version] = process.argv.slice(3);
const total = Number(bytes);
const LARGEST_MESSAGE = 1 << 20;

// on.open(), on.bytes(buffer), on.close(), on.error(error); returns send(buffer, written) and close().
function connectWs(on) {
  const [release, flavour] = version.split('/');
  const WebSocket = require(`ws-${release}`);
  const socket = new WebSocket(`ws://${host}:${port}${path}`, {
    origin: `http://${host}:${port}`,
    protocolVersion: flavour === 'hybi-10' ? 8 : 13,
    perMessageDeflate: false,
  });
  socket.on('open', () => on.open());
  socket.on('message', (data, flags) => {
    if (flags === true || (flags && flags.binary)) on.bytes(data);
    else on.error(new Error('a text message'));
  });
  socket.on('close', () => on.close());
  socket.on('error', (error) => on.error(error));
  return {
    send: (chunk, written) => socket.send(chunk, { binary: true, mask: true }, written),
    close: () => socket.close(1000),
  };
}

const connect = version === 'hixie-76' ? (on) => hixie76.connect({ host, port, path, subprotocol: 'base64' }, on) : connectWs;

const sentHash = createHash('sha256');
const receivedHash = createHash('sha256');
const began = Date.now();
let sent = 0;
let received = 0;

const report = (why) => {
  const summary = `${received} of ${total} bytes in ${((Date.now() - began) / 1000).toFixed(1)} s`;
  console.log(`${why ? 'FAIL' : 'PASS'} ${version} carries: ${why ? `${why}, ` : ''}${summary}`);
  process.exit(why ? 1 : 0);
};
setTimeout(() => report('no end within the deadline'), 170000);

// One message at a time, the next when this one is written: what is on its way is bounded.
const pump = () => {
  if (sent === total) return;
  const chunk = randomBytes(Math.min(total - sent, 1 + randomInt(LARGEST_MESSAGE)));
  sent += chunk.length;
  sentHash.update(chunk);
  peer.send(chunk, pump);
};
const peer = connect({
  open: pump,
  bytes: (chunk) => {
    received += chunk.length;
    receivedHash.update(chunk);
    if (received === total) peer.close();
    else if (received > total) report('more than was sent');
  },
  close: () => {
    if (received !== total) report('closed early');
    else report(receivedHash.digest('hex') === sentHash.digest('hex') ? '' : 'other bytes than were sent');
  },
  error: (error) => report(`error ${error}`),
});
