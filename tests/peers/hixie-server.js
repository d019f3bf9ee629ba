'use strict';
// An echo server that speaks hixie-75 or hixie-76, whichever it is told, and nothing else: npm websocket-driver 0.7.5,
// told of no other request. Prints `listening on HOST:PORT`, and ends with its standard input.

const http = require('http');
const websocket = require('websocket-driver');

const name = process.argv[2];

const asked = ({ headers }) => {
  if (headers['sec-websocket-version']) return 'another';
  return headers['sec-websocket-key1'] ? 'hixie-76' : 'hixie-75';
};

const server = http.createServer((request, response) => {
  response.statusCode = 400;
  response.end(`${name} only\n`);
});
server.on('upgrade', (request, socket, body) => {
  socket.on('error', () => {});
  if (asked(request) !== name) {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  const driver = websocket.http(request);
  driver.messages.on('data', (text) => driver.text(text));
  driver.on('close', () => socket.end());
  driver.io.write(body);
  socket.pipe(driver.io).pipe(socket);
  driver.start();
});
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit()).resume();
