'use strict';
// A desktop: TigerVNC's X server, on the first display that is free, until stdin ends. Says where it listens; the
// display is the port less 5900.

const { spawn } = require('child_process');

const server = spawn('Xtigervnc', [
  '-displayfd', '3', '-geometry', '640x480', '-depth', '24', '-SecurityTypes', 'None', '-localhost', '-noreset', '-nolisten', 'tcp',
], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
let stderr = '';
server.stderr.on('data', (data) => { stderr = (stderr + data).slice(-2000); });
server.on('error', (error) => { console.log(`FAIL Xtigervnc: ${error.message}`); process.exit(1); });
server.on('exit', (code) => { console.log(`FAIL Xtigervnc ended with ${code}: ${stderr}`); process.exit(1); });
process.on('exit', () => server.kill());
process.on('SIGTERM', () => process.exit(0));

let display = '';
server.stdio[3].on('data', (data) => {
  display += data;
  if (display.endsWith('\n')) console.log(`listening on 127.0.0.1:${5900 + Number(display)}`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
