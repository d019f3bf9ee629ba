'use strict';
// Chromium, headless.
//
//   echo HOST PORT PATH SUBPROTOCOL VERSION    VERSION: binary, or text where the server has no binary messages
//   chat HOST PORT PATH TEXT COUNT             the page of the chat itself, used as a person would: says TEXT once COUNT
//                                              are there, draws $SCREENSHOT once COUNT have spoken, and then says "bye"
//   listen HOST PORT PATH TEXT
//
// $SCHEME may be wss; whoever has signed the certificate.

const fs = require('fs');
const http = require('http');
const checks = require('./lib/checks.js');
const { run } = require('./lib/devtools.js');

const scheme = process.env.SCHEME || 'ws';
const [mode, host, port, path, ...rest] = process.argv.slice(2);

// A page with an origin to send, and nothing in it.
async function blank() {
  const server = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!DOCTYPE html><title>peer</title>');
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return server;
}

async function echo(browser, [subprotocol, version]) {
  const server = await blank();
  const page = await browser.page();
  // The server's own page, within TLS: a connection of HTTP/2 that is there takes WebSockets as well.
  await page.open(scheme === 'wss' ? `https://${host}:${port}/` : `http://127.0.0.1:${server.address().port}/`);

  const url = JSON.stringify(`${scheme}://${host}:${port}${path}`);
  const offered = JSON.stringify(subprotocol);
  const { why, summary } = await page.evaluate(`new Promise((resolve) => {
    const connect = (${checks.browser})(WebSocket, ${url}, ${offered}, ${version === 'binary'});
    (${checks.echo})(connect, ${offered}, (why, summary) => resolve({ why, summary }));
  })`);
  server.close();
  if (why) throw new Error(why);
  return summary;
}

async function listen(browser, [text]) {
  const server = await blank();
  const page = await browser.page((method, params) => {
    if (method === 'Runtime.consoleAPICalled') console.log(params.args[0].value);
  });
  await page.send('Runtime.enable');
  await page.open(`http://127.0.0.1:${server.address().port}/`);
  const url = JSON.stringify(`${scheme}://${host}:${port}${path}`);
  const { why, summary } = await page.evaluate(`new Promise((resolve) => {
    const connect = (${checks.browser})(WebSocket, ${url}, '', false);
    const done = (why, summary) => resolve({ why, summary });
    (${checks.listen})(connect, ${JSON.stringify(text)}, (line) => console.log(line), done);
  })`);
  server.close();
  if (why) throw new Error(why);
  return summary;
}

async function chat(browser, [text, count]) {
  let received;
  const finished = new Promise((resolve, reject) => {
    // The same chat as everybody's; only that its socket is the page's, seen from outside.
    const connect = (on) => {
      received = on;
      return {
        text: (said) => page.then((opened) => speak(opened, said)).catch(reject),
        close: () => on.close(1000),
      };
    };
    let spoken = 0;
    const log = (line) => {
      console.log(line);
      if (!line.startsWith('say\t')) return;
      spoken += 1;
      if (spoken !== Number(count)) return;
      const last = line.split('\t').slice(3).join('\t');
      page.then((opened) => draw(opened, last)).then((opened) => speak(opened, 'bye')).catch(reject);
    };
    checks.chat(connect, text, Number(count), log, (why, summary) => (why ? reject(new Error(why)) : resolve(summary)));
  });
  finished.catch(() => {});

  const page = browser.page((method, params) => {
    if (method === 'Network.webSocketFrameReceived' && params.response.opcode === 1) received.text(params.response.payloadData);
    if (method === 'Network.webSocketClosed') received.close(1006);
  });
  const opened = await page;
  await opened.send('Network.enable');
  await opened.send('Emulation.setDeviceMetricsOverride', { width: 960, height: 400, deviceScaleFactor: 2, mobile: false });
  await opened.open(`http://${host}:${port}${path}`);
  return finished;
}

async function speak(page, text) {
  // The devtools hear of a message before the page does.
  await until(page, "!document.getElementById('send').disabled");
  await page.evaluate("document.getElementById('say').focus()");
  await page.send('Input.insertText', { text });
  await page.evaluate("document.getElementById('send').click()");
}

async function draw(page, last) {
  if (process.env.SCREENSHOT) {
    await until(page, `document.getElementById('log').textContent.includes(${JSON.stringify(last)})`);
    const { data } = await page.send('Page.captureScreenshot', { format: 'png' });
    fs.writeFileSync(process.env.SCREENSHOT, Buffer.from(data, 'base64'));
  }
  return page;
}

function until(page, condition) {
  return page.evaluate(`new Promise((resolve) => {
    (function look() { if (${condition}) resolve(); else setTimeout(look, 20); })();
  })`);
}

run('Chromium', 110000, (browser) => ({ chat, echo, listen })[mode](browser, rest));
