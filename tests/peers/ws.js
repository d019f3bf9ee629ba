'use strict';
// npm ws: 0.4 (2012) to 8, as rfc6455 and as hybi-10. VERSION is PACKAGE or PACKAGE/hybi-10.
// In version 8, those before 2 send a key of 15 bytes, and 0.4 an Origin without a scheme. All but 0.4 offer
// permessage-deflate, in version 8 too.

const { url, origin, subprotocol, version, run } = require('./lib/node.js');

const [release, flavour] = version.split('/');
const WebSocket = require(`ws-${release}`);
const current = release === '8';

run(`ws ${version}`, (on) => {
  const options = { origin, protocolVersion: flavour === 'hybi-10' ? 8 : 13 };
  if (subprotocol && !current) options.protocol = subprotocol;
  const socket = current ? new WebSocket(url, subprotocol ? [subprotocol] : [], options) : new WebSocket(url, options);

  socket.on('open', () => on.open(current ? socket.protocol : undefined));
  socket.on('message', (data, flags) => {
    if (flags === true || (flags && flags.binary)) on.binary(data);
    else on.text(String(data));
  });
  socket.on('pong', () => on.pong());
  socket.on('close', (code) => on.close(code));
  socket.on('error', (error) => on.error(error));
  return {
    text: (text) => socket.send(text),
    binary: (bytes) => socket.send(Buffer.from(bytes), { binary: true, mask: true }),
    ping: () => socket.ping('ping', current ? true : { mask: true }),
    close: () => socket.close(1000),
  };
});
