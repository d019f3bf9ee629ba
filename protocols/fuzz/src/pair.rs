//! Two sessions, of a client and of a server, and what may happen between them.

use bytes::{Buf, Bytes, BytesMut};
use polysock_protocols::{Close, CloseCode, Message, Session};

/// Two sessions that are joined: what one sends the other gets, whole and in order, unless one of them
/// has no use for it any more.
pub struct Pair {
    ends: [End; 2],
}

struct End {
    session: Session,
    /// What has come in and was not read.
    src: BytesMut,
    /// What was sent here, and what was got here.
    sent: Vec<Message>,
    got: Vec<Message>,
    /// Whether it has ended for a reason of its own, and may miss what still comes.
    is_over: bool,
    /// Whether what it has written may never arrive.
    is_lost: bool,
}

impl Pair {
    /// A server and its client, or the other way about.
    pub fn new(one: Session, other: Session) -> Self {
        let end = |session| End {
            session,
            src: BytesMut::new(),
            sent: Vec::new(),
            got: Vec::new(),
            is_over: false,
            is_lost: false,
        };
        Self {
            ends: [end(one), end(other)],
        }
    }

    /// Has things happen: each is a byte that says which end (bit 0) and what (the rest), a length, and so
    /// many bytes. At the end all that is on its way arrives.
    pub fn run(mut self, mut steps: &[u8]) {
        while let [what, len, rest @ ..] = steps {
            let (bytes, rest) = rest.split_at(usize::from(*len).min(rest.len()));
            let from = usize::from(what & 1);
            // What carries bytes has none.
            let is_carried = matches!(what >> 1 & 7, 2 | 3);
            steps = if is_carried { &steps[2..] } else { rest };
            match what >> 1 & 7 {
                0 => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    self.ends[from].send(text.into());
                }
                1 => {
                    let bytes = Bytes::copy_from_slice(bytes);
                    self.ends[from].send(Message::Binary(bytes));
                }
                2 => drop(self.carry(from, usize::from(*len))),
                3 => drop(self.carry(from, usize::MAX)),
                4 => {
                    let code = CloseCode::new(1000 + u16::from(*len));
                    let reason = String::from_utf8_lossy(bytes).into_owned();
                    let end = &mut self.ends[from];
                    end.session.close(code.map(|code| Close::new(code, reason)));
                    end.is_over = true;
                }
                5 => self.ends[from].let_time_pass(),
                6 => {
                    self.ends[from].session.receive_eof();
                    self.ends[from].is_over = true;
                }
                _ => {
                    let end = &mut self.ends[from];
                    end.session.abort();
                    (end.is_over, end.is_lost) = (true, true);
                }
            }
            self.check();
        }
        while self.carry(0, usize::MAX) | self.carry(1, usize::MAX) {}
        self.check();
        for (from, to) in [(0, 1), (1, 0)] {
            let (from, to) = (&self.ends[from], &self.ends[to]);
            if !to.is_over && !from.is_lost {
                assert_eq!(from.sent.len(), to.got.len(), "messages are missing");
            }
        }
    }

    /// Carries so many bytes to the other end, and has that read; whether anything has moved.
    fn carry(&mut self, from: usize, len: usize) -> bool {
        let outgoing = self.ends[from].session.outgoing();
        let len = len.min(outgoing.remaining());
        let bytes = outgoing.copy_to_bytes(len);
        let to = &mut self.ends[1 - from];
        let count = to.got.len();
        to.src.extend_from_slice(&bytes);
        to.receive();
        len > 0 || to.got.len() > count
    }

    /// What was got was sent, in its order.
    fn check(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let (sent, got) = (&self.ends[from].sent, &self.ends[to].got);
            assert!(got.len() <= sent.len(), "more was got than sent");
            assert!(
                *got == sent[..got.len()],
                "something else was got than sent"
            );
        }
    }
}

impl End {
    fn send(&mut self, message: Message) {
        let was_open = self.session.is_open();
        if self.session.send(message.clone()).is_ok() {
            assert!(was_open, "a session that is closed sends");
            self.sent.push(message);
        }
    }

    fn receive(&mut self) {
        loop {
            match self.session.receive(&mut self.src) {
                Ok(Some(message)) => self.got.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert!(self.is_over, "the other end has broken no rule: {error}");
                    break;
                }
            }
        }
    }

    fn let_time_pass(&mut self) {
        if self.session.timer().is_none() {
            return;
        }
        let result = self.session.handle_timeout();
        self.is_over |= result.is_err() || !self.session.is_open();
        self.is_lost |= self.session.closed().is_some();
    }
}
