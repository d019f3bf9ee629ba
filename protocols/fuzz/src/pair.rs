//! A client's and a server's session, and the steps between them.

use bytes::{Buf, Bytes, BytesMut};
use polysock_protocols::{Close, CloseCode, Message, Session};

/// Two connected sessions. Each receives the other's messages complete and in order, unless it has
/// closed.
pub struct Pair {
    ends: [End; 2],
}

struct End {
    session: Session,
    /// Received bytes that have not been read.
    src: BytesMut,
    /// The messages sent by this session, and those it received.
    sent: Vec<Message>,
    got: Vec<Message>,
    /// True if the session has ended by itself, so that it may miss further messages.
    is_over: bool,
    /// True if its output may never arrive.
    is_lost: bool,
}

impl Pair {
    /// Creates a pair of a server and its client, in either order.
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

    /// Runs steps. Each is a byte that selects the end (bit 0) and the step (the rest), a length,
    /// and that many bytes. At the end, all output is delivered.
    pub fn run(mut self, mut steps: &[u8]) {
        while let [what, len, rest @ ..] = steps {
            let (bytes, rest) = rest.split_at(usize::from(*len).min(rest.len()));
            let from = usize::from(what & 1);
            // A step that carries output has no bytes of its own.
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

    /// Carries bytes to the other end and has them read; returns whether anything moved.
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

    /// Checks that the received messages are those that were sent, in order.
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
