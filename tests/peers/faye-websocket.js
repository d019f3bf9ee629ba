'use strict';
// npm faye-websocket 0.11.4.

const { Client } = require('faye-websocket');
const { url, origin, subprotocol, run } = require('./lib/node.js');

run('faye-websocket', (on) => {
  const socket = new Client(url, subprotocol ? [subprotocol] : [], { headers: { Origin: origin } });
  socket.onopen = () => on.open(socket.protocol || '');
  socket.onmessage = ({ data }) => (typeof data === 'string' ? on.text(data) : on.binary(data));
  socket.onclose = ({ code }) => on.close(code);
  socket.onerror = ({ message }) => on.error(message);
  return {
    text: (text) => socket.send(text),
    binary: (bytes) => socket.send(Buffer.from(bytes)),
    ping: () => socket.ping('ping', () => on.pong()),
    close: () => socket.close(1000),
  };
});
