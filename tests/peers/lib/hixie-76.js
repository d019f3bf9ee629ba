'use strict';
// A minimal client of Hixie-76 with base64 texts, as noVNC had one: bytes in, bytes out. The only client here that
// nobody shipped: none that was is quick enough to carry much.

const { createHash } = require('crypto');
const net = require('net');

// A key stands for a number: its digits, divided by its spaces. The noise that the draft asks for changes nothing.
const NUMBERS = [155712099, 173347027];
const key = (number, spaces) => {
  const digits = String(number * spaces);
  return digits[0] + ' '.repeat(spaces) + digits.slice(1);
};
const CHALLENGE = Buffer.from('^n:ds[4U');

exports.connect = ({ host, port, path, subprotocol }, on) => {
  const socket = net.connect(port, host);
  let opened = false;
  let pending = [];

  const fail = (what) => {
    on.error(new Error(what));
    socket.destroy();
  };
  const answer = (data) => {
    pending.push(data);
    const received = Buffer.concat(pending);
    const end = received.indexOf('\r\n\r\n');
    if (end < 0 || received.length < end + 20) return;
    const head = received.subarray(0, end).toString('latin1');
    const numbers = Buffer.alloc(8);
    NUMBERS.forEach((number, index) => numbers.writeUInt32BE(number, index * 4));
    const digest = createHash('md5').update(numbers).update(CHALLENGE).digest();
    if (!head.startsWith('HTTP/1.1 101 ')) return fail(head);
    if (!new RegExp(`^Sec-WebSocket-Protocol: ${subprotocol}$`, 'im').test(head.replace(/\r/g, ''))) return fail(`no subprotocol ${subprotocol}`);
    if (!received.subarray(end + 4, end + 20).equals(digest)) return fail('the challenge was answered wrongly');
    opened = true;
    pending = [];
    on.open();
    frames(received.subarray(end + 20));
  };
  const frames = (data) => {
    let rest = data;
    while (rest.length > 0) {
      const started = pending.length > 0;
      if (!started && rest[0] === 0xff) return socket.end();
      if (!started && rest[0] !== 0x00) return fail(`a frame of type ${rest[0]}`);
      const end = rest.indexOf(0xff);
      pending.push(end < 0 ? rest : rest.subarray(0, end));
      if (end < 0) return;
      on.bytes(Buffer.from(Buffer.concat(pending).subarray(1).toString('latin1'), 'base64'));
      pending = [];
      rest = rest.subarray(end + 1);
    }
  };

  socket.on('connect', () => {
    const head = [
      `GET ${path} HTTP/1.1`, 'Upgrade: WebSocket', 'Connection: Upgrade', `Host: ${host}:${port}`, `Origin: http://${host}:${port}`,
      `Sec-WebSocket-Protocol: ${subprotocol}`, `Sec-WebSocket-Key1: ${key(NUMBERS[0], 2)}`, `Sec-WebSocket-Key2: ${key(NUMBERS[1], 3)}`,
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    socket.write(CHALLENGE);
  });
  socket.on('data', (data) => (opened ? frames(data) : answer(data)));
  socket.on('close', () => on.close());
  socket.on('error', (error) => on.error(error));
  return {
    send: (chunk, written) => socket.write(`\0${chunk.toString('base64')}\xff`, 'latin1', written),
    close: () => socket.write('\xff\0', 'latin1'),
  };
};
