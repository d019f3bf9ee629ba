// AutobahnJS of WAMP, version 1, in PhantomJS: HOST PORT PATH DIALECT. $AUTOBAHNJS is where it lies.

var system = require('system'), webpage = require('webpage'), wamp = require('./lib/wamp.js').wamp;
var url = 'ws://' + system.args[1] + ':' + system.args[2] + system.args[3], dialect = system.args[4];
var name = 'PhantomJS ' + phantom.version.major + '.' + phantom.version.minor + '.' + phantom.version.patch;

var page = webpage.create();
var done = function (why, summary) {
  console.log((why ? 'FAIL ' : 'PASS ') + name + ' ' + dialect + ': ' + (why || summary));
  phantom.exit(why ? 1 : 0);
};
page.onError = function (error) { done('an error in the page: ' + error); };
page.onCallback = function (message) { done(message.why, message.summary); };
setTimeout(function () { done('the page said nothing within the deadline'); }, 100000);

page.setContent('<!DOCTYPE html><title>peer</title>', 'http://' + system.args[1] + ':' + system.args[2] + '/peer.html');
if (!page.injectJs(system.env.AUTOBAHNJS)) done('there is no AutobahnJS');
page.evaluate(
  function (wamp, url, dialect) {
    new Function('return ' + wamp)()(window.ab, url, dialect, function (why, summary) {
      window.callPhantom({ why: why, summary: summary });
    });
  },
  wamp.toString(), url, dialect
);
