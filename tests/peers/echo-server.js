'use strict';
// Echo servers of npm: ws 8, or websocket-driver 0.7.5, which speaks the drafts too. Prints `listening on HOST:PORT`, and
// ends with its standard input. With the files TLS_CERTIFICATE and TLS_KEY in the environment, within TLS.

const fs = require('fs');
const http = require('http');
const https = require('https');

const answer = (request, response) => {
  response.statusCode = 426;
  response.end('WebSocket only\n');
};
const { TLS_CERTIFICATE, TLS_KEY } = process.env;
const server = TLS_CERTIFICATE
  ? https.createServer({ cert: fs.readFileSync(TLS_CERTIFICATE), key: fs.readFileSync(TLS_KEY) }, answer)
  : http.createServer(answer);

const offered = (request) =>
  (request.headers['sec-websocket-protocol'] || '').split(',').map((name) => name.trim()).filter(Boolean).slice(0, 1);

const servers = {
  ws: () => {
    const { WebSocketServer } = require('ws-8');
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('error', () => {});
      socket.on('message', (data, binary) => socket.send(data, { binary }));
    });
  },
  'websocket-driver': () => {
    const websocket = require('websocket-driver');
    server.on('upgrade', (request, socket, body) => {
      socket.on('error', () => {});
      if (!websocket.isWebSocket(request)) return socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      const driver = websocket.http(request, { protocols: offered(request) });
      driver.messages.on('data', (data) => (typeof data === 'string' ? driver.text(data) : driver.binary(data)));
      driver.on('close', () => socket.end());
      driver.on('error', () => {});
      driver.io.write(body);
      socket.pipe(driver.io).pipe(socket);
      driver.start();
    });
    // A key whose quotient exceeds 32 bits is thrown where nobody can catch it.
    process.on('uncaughtException', () => {});
  },
};

servers[process.argv[2]]();
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit()).resume();
