// What every client written in JavaScript does: the echo check and the chat. Old JavaScript, since PhantomJS 1.9.8
// reads it, and each function stands alone, since browsers are sent its source.
//
// `connect(on)` opens a client. It calls on.open(subprotocol), on.text(string), on.binary(bytes), on.pong(),
// on.close(code, clean) and on.error(what), and returns { text, binary, ping, close }; binary and ping are left out
// where the client or its protocol has none, and codes, subprotocols and cleanness where it does not tell.
//
// `done(why, summary)` is called once; `why` is empty when all is well.
//
// `subprotocol` is what is offered and wanted. Browsers offer all of a list with commas, and want the last of it.

exports.echo = function (connect, subprotocol, done) {
  var repeat = function (text, times) { return new Array(times + 1).join(text); };
  var bytes = function (length) {
    var made = new Uint8Array(length);
    for (var i = 0; i < length; i++) made[i] = i * 7 + (i >> 8);
    return made;
  };
  var texts = ['hello', '', repeat('a', 125), repeat('b', 126), repeat('c', 70000), 'gr\u00fc\u00df \u4f60\u597d \ud83d\ude00', 'n\u0000ul'];
  for (var i = 0; i < 200; i++) texts.push('burst ' + i);

  var binaries = [], textsBack = 0, binariesBack = 0, pongs = 0, closing = false, finished = false, peer;
  var summary = function () { return textsBack + ' texts, ' + binariesBack + ' binaries, ' + pongs + ' pongs'; };
  var finish = function (why) {
    if (finished) return;
    finished = true;
    clearTimeout(deadline);
    done(why, summary());
  };
  var deadline = setTimeout(function () { finish('nothing more within the deadline, after ' + summary()); }, 90000);
  var proceed = function () {
    if (textsBack < texts.length || binariesBack < binaries.length) return;
    if (peer.ping && !pongs) return peer.ping();
    closing = true;
    peer.close();
  };

  peer = connect({
    open: function (chosen) {
      var wanted = (subprotocol || '').split(',').pop();
      if (chosen !== undefined && chosen !== wanted) return finish('subprotocol "' + chosen + '", not "' + wanted + '"');
      for (var i = 0; i < texts.length; i++) peer.text(texts[i]);
      if (peer.binary) binaries = [bytes(3), bytes(0), bytes(126), bytes(70000)];
      for (i = 0; i < binaries.length; i++) peer.binary(binaries[i]);
    },
    text: function (got) {
      var wanted = texts[textsBack];
      if (got !== wanted) return finish('text ' + textsBack + ' came back with length ' + (got && got.length) + ', not ' + (wanted && wanted.length));
      textsBack++;
      proceed();
    },
    binary: function (got) {
      var wanted = binaries[binariesBack] || [];
      var same = textsBack === texts.length && got.length === wanted.length;
      for (var i = 0; same && i < wanted.length; i++) same = got[i] === wanted[i];
      if (!same) return finish('binary ' + binariesBack + ' came back with length ' + got.length + ', not ' + wanted.length);
      binariesBack++;
      proceed();
    },
    pong: function () {
      pongs++;
      proceed();
    },
    close: function (code, clean) {
      if (!closing) return finish('closed early, code ' + code + ', after ' + summary());
      // 1005: the answer carried no code, as the hixie protocols have none.
      finish(clean === false || !(code === undefined || code === 1000 || code === 1005) ? 'no clean close, code ' + code : '');
    },
    error: function (what) { finish('error ' + what); }
  });
};

exports.chat = function (connect, text, count, log, done) {
  var names = {}, present = 0, said = false, leaving = false, finished = false, peer;
  var finish = function (why) {
    if (finished) return;
    finished = true;
    clearTimeout(deadline);
    done(why, present + ' in the room');
  };
  var deadline = setTimeout(function () { finish('nobody said bye within the deadline'); }, 90000);
  peer = connect({
    open: function () {},
    text: function (line) {
      log(line);
      var fields = line.split('\t');
      if (/^(welcome|here|join)$/.test(fields[0]) && names[fields[1]] !== true) {
        names[fields[1]] = true;
        present++;
      }
      if (present >= count && !said) {
        said = true;
        peer.text(text);
      }
      if (fields[0] === 'say' && fields[3] === 'bye' && !leaving) {
        leaving = true;
        peer.close();
      }
    },
    binary: function () { finish('a binary message in the chat'); },
    pong: function () {},
    close: function (code) { finish(leaving ? '' : 'closed early, code ' + code); },
    error: function (what) { finish('error ' + what); }
  });
};

// Logs every message, and leaves when it has heard this text.
exports.listen = function (connect, text, log, done) {
  var heard = 0, leaving = false, finished = false, peer;
  var finish = function (why) {
    if (finished) return;
    finished = true;
    clearTimeout(deadline);
    done(why, heard + ' messages');
  };
  var deadline = setTimeout(function () { finish('not heard within the deadline'); }, 90000);
  peer = connect({
    open: function () {},
    text: function (line) {
      heard++;
      log('heard\t' + line);
      if (line !== text) return;
      leaving = true;
      peer.close();
    },
    binary: function () { finish('a binary message'); },
    pong: function () {},
    close: function (code) { finish(leaving ? '' : 'closed early, code ' + code); },
    error: function (what) { finish('error ' + what); }
  });
};

// The API of browsers; undici has it too.
exports.browser = function (WebSocket, url, subprotocol, binary) {
  return function (on) {
    var offered = subprotocol.indexOf(',') < 0 ? subprotocol : subprotocol.split(',');
    var socket = subprotocol ? new WebSocket(url, offered) : new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = function () { on.open(socket.protocol); };
    socket.onmessage = function (event) {
      if (typeof event.data === 'string') on.text(event.data);
      else on.binary(new Uint8Array(event.data));
    };
    // The event says nothing; onclose follows and has the code.
    socket.onerror = function () {};
    socket.onclose = function (event) { on.close(event.code, event.wasClean); };
    return {
      text: function (text) { socket.send(text); },
      binary: binary ? function (bytes) { socket.send(bytes.buffer); } : undefined,
      close: function () { socket.close(); }
    };
  };
};
