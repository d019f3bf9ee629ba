'use strict';
// The frame around a client that runs in Node: its arguments, its mode, its one line and its exit code.
//
//   echo HOST PORT PATH SUBPROTOCOL VERSION
//   chat HOST PORT PATH TEXT COUNT VERSION
//   listen HOST PORT PATH TEXT VERSION

const checks = require('./checks.js');

const [mode, host, port, path] = process.argv.slice(2);
const chat = mode === 'chat';

exports.url = `ws://${host}:${port}${path}`;
exports.origin = `http://${host}:${port}`;
exports.subprotocol = mode === 'echo' ? process.argv[6] : '';
exports.version = process.argv[chat ? 8 : 7];

exports.run = (name, connect) => {
  const done = (why, summary) => {
    console.log(`${why ? 'FAIL' : 'PASS'} ${name}: ${why || summary}`);
    process.exit(why ? 1 : 0);
  };
  process.on('uncaughtException', (error) => done(`uncaught ${error.stack}`));
  if (chat) checks.chat(connect, process.argv[6], Number(process.argv[7]), console.log, done);
  else if (mode === 'listen') checks.listen(connect, process.argv[6], console.log, done);
  else checks.echo(connect, exports.subprotocol, done);
};
