// PhantomJS: QtWebKit of 2012 in 1.9.8, which speaks Hixie-76 alone, and of 2014 in 2.1.1 (rfc6455).
//
//   echo HOST PORT PATH SUBPROTOCOL VERSION
//   chat HOST PORT PATH TEXT COUNT
//   listen HOST PORT PATH TEXT
//
// $SCHEME may be wss; those are trusted that are in the folder $TRUSTED.

var system = require('system'), webpage = require('webpage'), checks = require('./lib/checks.js');
var mode = system.args[1], host = system.args[2], port = system.args[3], path = system.args[4];
var name = 'PhantomJS ' + phantom.version.major + '.' + phantom.version.minor + '.' + phantom.version.patch;

var page = webpage.create();
var done = function (why, summary) {
  console.log((why ? 'FAIL ' : 'PASS ') + name + ': ' + (why || summary));
  phantom.exit(why ? 1 : 0);
};
page.onError = function (error) { done('an error in the page: ' + error); };
page.onCallback = function (message) {
  if (message.log) console.log(message.log);
  else done(message.why, message.summary);
};
setTimeout(function () { done('the page said nothing within the deadline'); }, 100000);

// A page with an origin to send, and nothing in it.
page.setContent('<!DOCTYPE html><title>peer</title>', 'http://' + host + ':' + port + '/peer.html');
page.evaluate(
  function (echo, chat, listen, browser, mode, url, subprotocol, binary, text, count) {
    var from = function (source) { return new Function('return ' + source)(); };
    var done = function (why, summary) { window.callPhantom({ why: why, summary: summary }); };
    var connect = from(browser)(WebSocket, url, subprotocol, binary);
    var log = function (line) { window.callPhantom({ log: line }); };
    if (mode === 'chat') from(chat)(connect, text, count, log, done);
    else if (mode === 'listen') from(listen)(connect, text, log, done);
    else from(echo)(connect, subprotocol, done);
  },
  checks.echo.toString(), checks.chat.toString(), checks.listen.toString(), checks.browser.toString(), mode,
  (system.env.SCHEME || 'ws') + '://' + host + ':' + port + path,
  mode === 'echo' ? system.args[5] : '',
  phantom.version.major > 1, // Hixie-76 has no binary messages
  system.args[5], Number(system.args[6])
);
