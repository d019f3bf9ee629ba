// What AutobahnJS of WAMP, version 1, does in Node.js and in PhantomJS. Old JavaScript, and a function that stands
// alone, since it is run where AutobahnJS is: lists have to be of its own kind.
//
// `dialect` is that of the server, autobahn or ratchet, or broker: Autobahn's without procedures. `done(why, summary)` is
// called once; `why` is empty when all is well.

exports.wamp = function (ab, url, dialect, done) {
  var CALC = 'http://example.com/simple/calc#', TOPIC = 'http://example.com/simple';
  // Of this client alone, whoever else is served.
  TOPIC += url.replace(/^ws:\/\/[^\/]*/, '');
  var rows = 0, calls = 0, finished = false, isRatchets = dialect === 'ratchet';
  var finish = function (why) {
    if (finished) return;
    finished = true;
    done(why, calls + ' calls, ' + rows + ' rows');
  };
  var same = function (what, got, wanted) {
    got = JSON.stringify(got);
    wanted = JSON.stringify(wanted);
    if (got !== wanted) finish(what + ': ' + got + ', not ' + wanted);
    return got === wanted;
  };
  setTimeout(function () { finish('nothing more within the deadline, after ' + rows + ' rows'); }, 90000);

  var open = function (next) {
    ab.connect(url, next, function (code, reason) { finish('closed: ' + code + ' ' + reason); }, { maxRetries: 0 });
  };
  // Each step goes on with the next once it is done.
  var call = function (session, procedure, args, wanted, next) {
    session.call.apply(session, [procedure].concat(args)).then(
      function (result) { calls++; if (same(procedure, result, wanted)) next(); },
      function (error) { if (same(procedure, [error.uri, error.desc, error.detail], wanted)) next(); }
    );
  };
  var inTurn = function (steps, next) {
    var step = function (at) { at < steps.length ? steps[at](function () { step(at + 1); }) : next(); };
    step(0);
  };

  open(function (a) { open(function (b) { talk(a, b); }); });

  function talk(a, b) {
    if (a.sessionid().length !== 16 || a.sessionid() === b.sessionid()) return finish('sessions ' + a.sessionid() + ' ' + b.sessionid());
    var unknown = ['http://api.wamp.ws/error#generic', 'no procedure ' + CALC + 'nosuch', undefined];
    var is = function (session, procedure, args, wanted) {
      return function (next) { call(session, CALC + procedure, args, wanted, next); };
    };
    var steps = [is(a, 'nosuch', [], unknown)];
    if (dialect !== 'broker') {
      // From here on, its calls go out shortened.
      a.prefix('calc', CALC);
      steps.push(
        is(a, 'add', [1, 2], 3),
        is(a, 'echo', [{ b: 'gr\u00fc\u00df \u2603', a: [1, null, {}] }], { b: 'gr\u00fc\u00df \u2603', a: [1, null, {}] }),
        is(a, 'args', [[1, 2]], isRatchets ? [1, 2] : [[1, 2]]),
        is(a, 'fail', [], ['http://example.com/error#fail', 'failed on purpose', [1, 2]])
      );
    }
    inTurn(steps, function () { publish(a, b, is, unknown); });
  }

  function publish(a, b, is, unknown) {
    var heard = { a: 0, b: 0 }, marked = null;
    var hears = function (who) {
      return function (topic, event) {
        if (!same('topic', topic, TOPIC)) return;
        if (event === 'mark') { if (--marked.left === 0) marked.next(); } else if (same('event', event, { n: [1] })) heard[who]++;
      };
    };
    a.subscribe(TOPIC, hears('a'));
    b.subscribe(TOPIC, hears('b'));
    var ids = { a: a.sessionid(), b: b.sessionid() };
    var list = function (letters) {
      var made = [];
      for (var i = 0; i < letters.length; i++) made.push(ids[letters.charAt(i)]);
      return made;
    };
    var row = function (exclude, eligible) {
      return function (next) {
        var wanted = '';
        for (var i = 0; i < 2; i++) {
          var who = 'ab'.charAt(i);
          var isOut = typeof exclude === 'string' ? exclude.indexOf(who) >= 0 : who === 'a' && (exclude === undefined ? !isRatchets : exclude);
          var isIn = eligible === undefined || (isRatchets && eligible === '') || eligible.indexOf(who) >= 0;
          if (!isOut && isIn) wanted += who;
        }
        var args = [TOPIC, { n: [1] }];
        if (exclude !== undefined) args.push(typeof exclude === 'string' ? list(exclude) : exclude);
        if (eligible !== undefined) args.push(list(eligible));
        heard = { a: 0, b: 0 };
        a.publish.apply(a, args);
        marked = {
          left: 2,
          next: function () {
            rows++;
            var got = (heard.a === 1 ? 'a' : '') + (heard.b === 1 ? 'b' : '');
            if (same('exclude ' + exclude + ', eligible ' + eligible, got, wanted)) next();
          }
        };
        a.publish(TOPIC, 'mark', list(''));
      };
    };
    // There is no answer to a subscription, but to what follows.
    var steps = [is(a, 'nosuch', [], unknown), is(b, 'nosuch', [], unknown), row(), row(true), row(false)];
    var lists = ['', 'a', 'b', 'ab'];
    for (var i = 0; i < lists.length; i++) {
      steps.push(row(lists[i]));
      for (var j = 0; j < lists.length; j++) steps.push(row(lists[i], lists[j]));
    }
    inTurn(steps, function () { finish(''); });
  }
};
