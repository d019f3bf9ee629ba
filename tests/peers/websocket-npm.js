'use strict';
// npm websocket 1.0.35 (theturtle32's WebSocket-Node). VERSION: hybi-10 or rfc6455.

const { client: Client } = require('websocket');
const { url, origin, subprotocol, version, run } = require('./lib/node.js');

run(`websocket (npm) ${version}`, (on) => {
  const client = new Client({ webSocketVersion: version === 'hybi-10' ? 8 : 13 });
  let connection;
  client.on('connectFailed', (error) => on.error(error));
  client.on('connect', (connected) => {
    connection = connected;
    connection.on('message', (message) => {
      if (message.type === 'utf8') on.text(message.utf8Data);
      else on.binary(message.binaryData);
    });
    connection.on('pong', () => on.pong());
    connection.on('close', (code) => on.close(code));
    connection.on('error', (error) => on.error(error));
    on.open(connection.protocol || '');
  });
  client.connect(url, subprotocol ? [subprotocol] : null, origin);
  return {
    text: (text) => connection.sendUTF(text),
    binary: (bytes) => connection.sendBytes(Buffer.from(bytes)),
    ping: () => connection.ping('ping'),
    close: () => connection.close(),
  };
});
