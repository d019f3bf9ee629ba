'use strict';
// npm undici 7, the client inside Node itself: the API of browsers, and a ping.

const diagnostics = require('diagnostics_channel');
const { WebSocket, ping } = require('undici');
const checks = require('./lib/checks.js');
const { url, subprotocol, run } = require('./lib/node.js');

run('undici', (on) => {
  let socket;
  class Kept extends WebSocket {
    constructor(...given) {
      super(...given);
      socket = this;
    }
  }
  diagnostics.subscribe('undici:websocket:pong', () => on.pong());
  const peer = checks.browser(Kept, url, subprotocol, true)(on);
  return { ...peer, ping: () => ping(socket, Buffer.from('ping')) };
});
