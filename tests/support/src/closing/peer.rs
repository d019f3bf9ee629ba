//! The peer of a row: performs the row's actions and records the answers.

use std::thread;

use polysock::protocols::{Event, Role};
use polysock::{Close, CloseCode};

use super::table::{CLOSE_TIMEOUT, Got, Theirs, Wire, is_bare};
use crate::wire_peer::{Seen, WirePeer};

/// The message of a flood.
const FLOOD: &[u8] = &[b'x'; 64 * 1024];

/// The number of messages in a flood: more than the buffers on the path hold.
const FLOODS: usize = 256;

/// The size of a flood, in bytes.
pub const MUCH: usize = FLOOD.len() * FLOODS;

/// A peer whose opening handshake is complete.
pub struct Guest {
    /// The connection.
    pub peer: WirePeer,
    /// The name of the protocol.
    pub protocol: &'static str,
    /// The role of the peer.
    pub role: Role,
}

/// The observations of a guest.
pub struct Met {
    /// The end of our direction.
    pub wire: Got<Wire>,
    /// The connection, which stays open until the application has received the outcome.
    _peer: Option<WirePeer>,
}

impl Guest {
    /// Performs the row's actions, and returns the observations. Calls `cue` when our application
    /// may perform the action for which it waits: the path to us is full because of a flood, or the
    /// connection has been reset.
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
                // Some protocols deliver the first piece only with the second.
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

    /// Waits for our end, and performs the row's reaction to it.
    fn looks(mut self, theirs: Theirs) -> Met {
        let seen = self.peer.see_control();
        let Seen::Event(Event::Close(frame)) = seen else {
            // Without a closing handshake, only the end of the stream is visible.
            if theirs == Theirs::ResetsOnClose && is_bare(self.protocol) {
                return self.resets();
            }
            return self.saw(None, seen, theirs);
        };
        let close = frame.map(|frame| (frame.code.get(), frame.reason.to_string()));
        match theirs {
            Theirs::ResetsOnClose => return self.resets(),
            Theirs::Answers => assert!(self.peer.send(Event::Close(None))),
            // The pause is the subject of the row: it is longer than our side waits for an answer.
            Theirs::Waits => thread::sleep(2 * CLOSE_TIMEOUT),
            _ => {}
        }
        // RFC 6455 §7.1.1: a client waits until its server disconnects.
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
