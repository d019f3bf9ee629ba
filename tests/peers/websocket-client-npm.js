'use strict';
// npm websocket-client 1.0.0 (2010): Hixie-76 without Content-Length, and each message in three writes.

require('./lib/latin1-hash.js');
const { EventEmitter } = require('events');
const http = require('http');
const { url, origin, subprotocol, run } = require('./lib/node.js');

// Node took http.createClient away in version 9; this is as much of it as the client uses.
http.createClient = (port, host) => {
  const client = new EventEmitter();
  client.request = (path, headers) => {
    const request = http.request({ host, port, path, headers, agent: false });
    request.useChunkedEncodingByDefault = false;
    request.on('upgrade', (...upgrade) => client.emit('upgrade', ...upgrade));
    request.on('response', (response) => client.emit('error', new Error(`status ${response.statusCode}`)));
    request.on('error', (error) => client.emit('error', error));
    return request;
  };
  client.end = () => {};
  return client;
};
const { WebSocket } = require('websocket-client');

run('websocket-client (npm)', (on) => {
  const socket = new WebSocket(url, subprotocol || '', { origin });
  socket.onopen = () => on.open();
  socket.onmessage = ({ data }) => on.text(data);
  // Comes after the server's FF 00 only.
  socket.onclose = () => on.close();
  socket.on('wserror', (error) => on.error(error));
  return { text: (text) => socket.send(text), close: () => socket.close() };
});
