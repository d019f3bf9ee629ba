'use strict';
// A headless Chromium, driven by the DevTools protocol over a pair of pipes: no port, and a browser that ends when this
// process does, however it does.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');

const FLAGS = [
  '--headless', '--remote-debugging-pipe', '--no-first-run', '--no-default-browser-check', '--disable-gpu', '--disable-dev-shm-usage',
  '--disable-extensions', '--disable-sync', '--disable-background-networking', '--disable-component-update', '--disable-default-apps',
  '--hide-scrollbars', '--no-proxy-server', '--ignore-certificate-errors',
  // Nothing but this machine can be reached, whatever the browser would like to ask its maker.
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
  // The sandbox refuses to run as root, and needs what containers forbid; all it would guard against is our own page.
  '--no-sandbox',
];

const launch = () => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'polysock-chromium-'));
  const environment = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home };
  const browser = spawn(process.env.CHROMIUM, [...FLAGS, `--user-data-dir=${home}/profile`, 'about:blank'], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  browser.stderr.on('data', (data) => { stderr = (stderr + data).slice(-2000); });
  process.on('exit', () => {
    browser.kill('SIGKILL');
    try {
      fs.rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    } catch {
      // A part of the browser still writes; what is left is in the directory for such things.
    }
  });

  const [, , , input, output] = browser.stdio;
  const calls = new Map();
  const listeners = [];
  let calledLast = 0;
  let received = '';
  output.setEncoding('utf8');
  output.on('data', (data) => {
    const messages = (received + data).split('\0');
    received = messages.pop();
    for (const message of messages.map((text) => JSON.parse(text))) {
      const call = calls.get(message.id);
      calls.delete(message.id);
      if (call && message.error) call.reject(new Error(message.error.message));
      else if (call) call.resolve(message.result);
      else listeners.forEach((listener) => listener(message));
    }
  });
  input.on('error', () => {});
  browser.on('exit', (code) => {
    for (const call of calls.values()) call.reject(new Error(`Chromium ended with ${code}: ${stderr}`));
  });

  const call = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
    calledLast += 1;
    calls.set(calledLast, { resolve, reject });
    input.write(`${JSON.stringify({ id: calledLast, method, params, sessionId })}\0`);
  });

  return {
    // Opens a page; `on` is told of its events: on(method, params).
    page: async (on = () => {}) => {
      const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
      listeners.push((message) => message.sessionId === sessionId && on(message.method, message.params));
      const send = (method, params) => call(method, params, sessionId);
      return {
        send,
        open: async (url) => {
          await send('Page.enable');
          const loaded = new Promise((resolve) => {
            listeners.push((message) => message.sessionId === sessionId && message.method === 'Page.loadEventFired' && resolve());
          });
          const { errorText } = await send('Page.navigate', { url });
          if (errorText) throw new Error(`${url}: ${errorText}`);
          await loaded;
        },
        // The value of an expression, or of what it promises.
        evaluate: async (expression) => {
          const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
          if (exceptionDetails) throw new Error(exceptionDetails.exception?.description || exceptionDetails.text);
          return result.value;
        },
      };
    },
    // Asks the browser to end, which lets it tidy up, but does not wait long for it.
    close: () => {
      if (browser.exitCode !== null) return undefined;
      const ended = new Promise((resolve) => { browser.on('exit', resolve); });
      call('Browser.close').catch(() => {});
      return Promise.race([ended, new Promise((resolve) => { setTimeout(resolve, 5000); })]);
    },
  };
};

// Does something with a browser, and ends with PASS and what it has come to, or FAIL and why, before so many
// milliseconds have passed.
exports.run = (name, deadline, use) => {
  const browser = launch();
  const report = async (line, code) => {
    console.log(line);
    await browser.close();
    process.exit(code);
  };
  setTimeout(() => report(`FAIL ${name}: no end within the deadline`, 1), deadline);
  use(browser)
    .then((summary) => report(`PASS ${name}: ${summary}`, 0))
    .catch((error) => report(`FAIL ${name}: ${error.message}`, 1));
};
