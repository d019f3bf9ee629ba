// AutobahnJS of WAMP, version 1, in Node.js, with the WebSocket of the package ws 8: HOST PORT PATH DIALECT. It is in no
// registry: $AUTOBAHNJS is where it lies, as one file with when.js in it.

const fs = require('fs'), vm = require('vm'), WebSocket = require('ws-8');
const { wamp } = require('./lib/wamp.js');
const [host, port, path, dialect] = process.argv.slice(2);

const world = { WebSocket, console, setTimeout, clearTimeout, navigator: { userAgent: 'Node.js' } };
world.window = world;
vm.createContext(world);
vm.runInContext(fs.readFileSync(process.env.AUTOBAHNJS, 'utf8'), world);
world.done = (why, summary) => {
  console.log((why ? 'FAIL ' : 'PASS ') + 'AutobahnJS ' + world.ab.version() + ' ' + dialect + ': ' + (why || summary));
  process.exit(why ? 1 : 0);
};
world.url = `ws://${host}:${port}${path}`;
world.dialect = dialect;
vm.runInContext('(' + wamp.toString() + ')(ab, url, dialect, done)', world);
