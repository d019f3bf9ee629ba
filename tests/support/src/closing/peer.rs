//! The peer of a row: it does what the row says, and looks.

use std::thread;

use polysock::protocols::{Event, Role};
use polysock::{Close, CloseCode};

use super::table::{CLOSE_TIMEOUT, Got, Theirs, Wire, is_bare};
use crate::wire_peer::{Seen, WirePeer};

/// A message that is sent over and over.
const FLOOD: &[u8] = &[b'x'; 64 * 1024];

/// How often that is sent: more than the buffers on the way hold.
const FLOODS: usize = 256;

/// As much as the peer floods with.
pub const MUCH: usize = FLOOD.len() * FLOODS;

/// A peer whose opening handshake is complete.
pub struct Guest {
    /// Its connection.
    pub peer: WirePeer,
    /// What it speaks.
    pub protocol: &'static str,
    /// What it is.
    pub role: Role,
}

/// What a guest has seen.
pub struct Met {
    /// The end of our direction.
    pub wire: Got<Wire>,
    /// The connection, which goes on until the application has been told.
    _peer: Option<WirePeer>,
}

impl Guest {
    /// Does what it does, and looks. Calls `cue` when our application may do what it waits with:
    /// the way to us is full of a flood, or the connection has been reset.
    pub fn meet(mut self, theirs: Theirs, cue: impl FnOnce()) -> Met {
        if theirs == Theirs::Floods {
            self.floods(cue);
            return self.looks(theirs);
        }
        assert!(self.peer.send_text(b"there", true));
        assert!(matches!(self.peer.see(), Seen::Event(Event::Data(_))));
        match theirs {
            Theirs::Closes if is_bare(self.protocol) => self.peer.hang_up(),
            Theirs::Closes => self.closes(),
            Theirs::HangsUp => self.peer.hang_up(),
            Theirs::HangsUpWithin => {
                // The first piece waits for the second in some.
                assert!(self.peer.send_text(b"un", false) && self.peer.send_text(b"fini", false));
                self.peer.hang_up();
            }
            Theirs::SendsNoText => {
                assert!(self.peer.send_text(b"\xc3(", true));
                self.floods(|| {});
            }
            Theirs::Resets | Theirs::ClosesAndResets => {
                if theirs == Theirs::ClosesAndResets {
                    self.closes();
                }
                let met = self.resets();
                cue();
                return met;
            }
            Theirs::Answers
            | Theirs::HangsUpOnClose
            | Theirs::ResetsOnClose
            | Theirs::Waits
            | Theirs::Floods => {}
        }
        self.looks(theirs)
    }

    /// Waits for our end, and does what it does then.
    fn looks(mut self, theirs: Theirs) -> Met {
        let seen = self.peer.see_control();
        let Seen::Event(Event::Close(frame)) = seen else {
            // Without a closing handshake, the end of the stream is all there is.
            if theirs == Theirs::ResetsOnClose && is_bare(self.protocol) {
                return self.resets();
            }
            return self.saw(None, seen, theirs);
        };
        let close = frame.map(|frame| (frame.code.get(), frame.reason.to_string()));
        match theirs {
            Theirs::ResetsOnClose => return self.resets(),
            Theirs::Answers => assert!(self.peer.send(Event::Close(None))),
            // The pause is what the row is about: longer than our side waits for an answer.
            Theirs::Waits => thread::sleep(2 * CLOSE_TIMEOUT),
            _ => {}
        }
        // RFC 6455 §7.1.1: a client waits for its server to hang up.
        if self.role == Role::Server || theirs == Theirs::HangsUpOnClose {
            self.peer.hang_up();
        }
        let last = self.peer.see_control();
        self.saw(Some(close), last, theirs)
    }

    fn saw(mut self, close: Option<Option<(u16, String)>>, last: Seen, theirs: Theirs) -> Met {
        if let Theirs::Answers | Theirs::HangsUpOnClose = theirs {
            self.peer.hang_up();
        }
        Met {
            wire: Got::Some(Wire { close, last }),
            _peer: Some(self.peer),
        }
    }

    fn floods(&mut self, stuck: impl FnOnce()) {
        let taken = self.peer.flood(FLOOD, FLOODS, stuck);
        assert!(taken, "{}: our flood was reset", self.protocol);
    }

    fn closes(&mut self) {
        let bye = Close::new(CloseCode::new(4002).expect("a code of applications"), "bye");
        assert!(self.peer.send(Event::Close(Some(bye))));
    }

    fn resets(self) -> Met {
        self.peer.reset();
        Met {
            wire: Got::Gone,
            _peer: None,
        }
    }
}
