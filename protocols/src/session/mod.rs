//! What is the same in every protocol, written once above the codecs: pongs, the closing
//! handshake, limits, text that must be UTF-8, and timers.
//!
//! ```text
//!                 close()                        Close received
//!   Open ───────────────────────▶ Closing ───────────────────────▶ Closed
//!     │                                                              ▲
//!     └──────── Close received (answered), end of stream, error ─────┘
//! ```
//!
//! Nothing here reads a clock. [`Session::timer`] names what to wait for and how long; whoever
//! owns the session waits, and calls [`Session::handle_timeout`].

mod config;
mod pong;
mod rate;
mod receive;
mod send;
mod shared;
mod sums;
mod watched;

use std::time::Duration;

use bytes::Bytes;

pub use self::config::SessionConfig;
use self::pong::Pong;
use self::rate::Rates;
pub use self::shared::SharedMessage;
use self::sums::Counted;
pub use self::sums::{SIZE_BOUNDS, SIZES, Sizes, Sum, Sums};
pub use self::watched::{Watched, Watcher};

use crate::error::{EncodeError, ProtocolError};
use crate::keep_alive::{KeepAlive, TickAction, millis};
use crate::message::{Close, Closed, Event, Side};
use crate::protocol::{Capabilities, CloseForm, Codec, ShortFrames};
use crate::utf8::Utf8Validator;
use crate::write_buf::WriteBuf;

/// With this much waiting to go out, pongs are held back: only the newest is sent, once there is
/// room (RFC 6455 §5.5.3 allows to answer only the latest ping).
const PONG_ROOM: usize = 4096;

/// So much of a message is assembled in one go.
const SHARE: u32 = 1 << 20;

/// What to wait for. A new timer starts when [`Session::timer`] answers differently than before,
/// and again after each [`Session::handle_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A look at whether the peer is still there.
    KeepAlive(Duration),
    /// The answer to our closing handshake.
    Close(Duration),
}

/// A codec, and everything above it that is the same in all protocols.
///
/// Feed it bytes with [`receive`](Self::receive) or [`receive_piece`](Self::receive_piece), give
/// it what to send, and drain [`outgoing`](Self::outgoing) after every call.
#[derive(Debug)]
pub struct Session {
    codec: Box<dyn Codec>,
    max_message: u64,
    /// In milliseconds.
    close_timeout: u32,
    outgoing: WriteBuf,
    state: State,
    /// The newest ping that is unanswered for want of room.
    unanswered_ping: Option<Box<Bytes>>,
    incoming: Incoming,
    /// Whether a message that is sent in pieces has begun and not ended.
    sending: bool,
    /// Whether it has ended where its protocol could not say so.
    cut: bool,
    /// How short messages are written without asking the codec.
    writes: Option<ShortFrames>,
    /// How they are found, if that was asked since the codec was last at work.
    reads: Option<ShortFrames>,
    keep_alive: KeepAlive,
    pong: Pong,
    rates: Rates,
    /// How many messages have come whole.
    received: u64,
    /// How many have been sent whole.
    sent: u64,
    counted: Counted,
    /// Whether the codec ever holds memory.
    codec_holds: bool,
    /// Whether the answer to a close has its reason.
    echo_reason: bool,
}

#[derive(Debug)]
enum State {
    Open,
    /// We have sent a close and wait for the peer's.
    Closing(Option<Box<Close>>),
    Closed(Box<Closed>),
}

impl State {
    fn closed(by: Side, close: Option<Close>, clean: bool) -> Self {
        Self::Closed(Box::new(Closed { by, close, clean }))
    }
}

/// The message that is being received.
#[derive(Debug, Default)]
struct Incoming {
    /// What has come of it, where it comes in pieces and is assembled.
    #[expect(
        clippy::box_collection,
        reason = "every connection has one, most of them empty"
    )]
    assembled: Option<Box<Vec<u8>>>,
    /// Its length so far; zero also before its first byte.
    len: u64,
    utf8: Utf8Validator,
    /// Whether it has begun and not ended.
    unfinished: bool,
    /// How much has been assembled in this turn.
    share: u32,
}

impl Session {
    /// A session over a codec whose opening handshake is complete.
    pub fn new(codec: Box<dyn Codec>, config: SessionConfig) -> Self {
        let ping_interval = config.ping_interval.filter(|_| codec.capabilities().ping);
        let keep_alive = KeepAlive::new(config.idle_timeout, ping_interval, config.pong_timeout);
        Self {
            writes: codec.writes(),
            codec_holds: codec.held().is_some(),
            reads: None,
            codec,
            max_message: config.max_message,
            close_timeout: millis(config.close_timeout),
            outgoing: WriteBuf::new(),
            state: State::Open,
            unanswered_ping: None,
            incoming: Incoming::default(),
            sending: false,
            cut: false,
            keep_alive,
            pong: Pong::NotAwaited,
            rates: Rates::new(config.max_messages_per_second),
            received: 0,
            sent: 0,
            counted: Counted::default(),
            echo_reason: config.echo_reason,
        }
    }

    /// Says that the peer will send no more.
    pub fn receive_eof(&mut self) {
        // Where there is no closing handshake, the end of the stream is the regular one.
        let eof_is_regular = self.codec.capabilities().close == CloseForm::Eof;
        self.end(None, eof_is_regular && !self.incoming.unfinished);
    }

    /// Says that the transport has failed, which is no regular end in any protocol.
    pub fn abort(&mut self) {
        self.end(None, false);
    }

    /// Begins the closing handshake; messages may still come until it is complete. In a protocol
    /// without one, whoever owns the transport ends its sending direction instead
    /// ([`CloseForm::Eof`]), once [`outgoing`](Self::outgoing) is written.
    ///
    /// In the middle of a message that the close would end (hixie), the session
    /// [is cut](Self::is_cut).
    pub fn close(&mut self, close: Option<Close>) {
        if matches!(self.state, State::Open) {
            self.send_close(close.clone());
            self.state = if self.cut {
                State::closed(Side::Local, close, false)
            } else {
                State::Closing(close.map(Box::new))
            };
        }
    }

    /// How many bytes of memory it holds for its peer: what has come of a message that is assembled,
    /// what waits to go out, and what compression needs.
    #[inline]
    pub fn held(&self) -> usize {
        let waiting = self.outgoing.len();
        if self.codec_holds || self.incoming.assembled.is_some() {
            return waiting.saturating_add(self.held_of_messages());
        }
        waiting
    }

    #[cold]
    fn held_of_messages(&self) -> usize {
        let assembled = self.incoming.assembled.as_ref();
        let assembled = assembled.map_or(0, |assembled| assembled.capacity());
        assembled.saturating_add(self.codec.held().unwrap_or_default())
    }

    /// Gives up its peer, because memory is short or it takes nothing: closes, and lets go of what it
    /// holds. Where so much waits to go out that the close would be long behind it, the session
    /// [is cut](Self::is_cut).
    pub fn give_up(&mut self, close: Close) {
        self.incoming.assembled = None;
        if self.outgoing.len() >= PONG_ROOM {
            self.outgoing = WriteBuf::new();
            self.cut = true;
        } else if self.is_open() {
            self.send_close(Some(close.clone()));
        }
        self.state = State::closed(Side::Local, Some(close), false);
    }

    /// Whether [`receive_in_turns`](Self::receive_in_turns) ended with `None` although there may be
    /// more to take: a little that comes may be much once it is inflated.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.incoming.share >= SHARE
    }

    /// Whether so much has come that the [pace](Self::check_pace) is to be looked at.
    #[inline]
    pub fn is_fast(&self) -> bool {
        self.rates.is_fast(self.received)
    }

    /// Says that a second or more has passed since the last time this was called, or the session
    /// began; or that it has not, where [`is_fast`](Self::is_fast) has been true twice within one.
    ///
    /// # Errors
    ///
    /// The peer sends more messages or control frames a second than it may, and the session is
    /// closed.
    pub fn check_pace(&mut self, second_has_passed: bool) -> Result<(), ProtocolError> {
        match self.rates.check(self.received, second_has_passed) {
            Some(error) if self.closed().is_none() => self.fail(error),
            _ => Ok(()),
        }
    }

    /// Whether the session has ended in the middle of a message that it sends, where a close would
    /// have made the message look whole (hixie). The end of the stream says it instead: once
    /// [`outgoing`](Self::outgoing) is written, whoever owns the transport hangs up.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// What waits to be written. Drain it after every call.
    #[inline]
    pub fn outgoing(&mut self) -> &mut WriteBuf {
        if self.unanswered_ping.is_some() && self.outgoing.len() < PONG_ROOM {
            self.answer_held_ping();
        }
        &mut self.outgoing
    }

    #[cold]
    fn answer_held_ping(&mut self) {
        if let Some(payload) = self.unanswered_ping.take() {
            self.answer_ping(*payload);
        }
    }

    /// How many bytes wait to be written.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// How many messages have come, and how many have been sent: to their ends.
    pub fn messages(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// The extension that is in use, by its name.
    pub fn extension(&self) -> Option<&'static str> {
        self.codec.extension()
    }

    /// What to wait for; `None` for nothing.
    pub fn timer(&self) -> Option<Timer> {
        match self.state {
            State::Open => self.keep_alive.tick().map(Timer::KeepAlive),
            State::Closing(_) => {
                let limit = Duration::from_millis(self.close_timeout.into());
                Some(Timer::Close(limit))
            }
            State::Closed(_) => None,
        }
    }

    /// Says that the time of [`timer`](Self::timer) has passed.
    ///
    /// # Errors
    ///
    /// The peer has been silent for too long; the session is closed. A closing handshake that is
    /// not answered ends the session without an error, not clean.
    pub fn handle_timeout(&mut self) -> Result<(), ProtocolError> {
        if !self.is_open() {
            self.end(None, false);
            return Ok(());
        }
        self.pong = Pong::NotAwaited;
        match self.keep_alive.on_tick(self.codec.capabilities().ping) {
            TickAction::None => {}
            TickAction::Ping => {
                self.pong = Pong::Awaited;
                self.send_control(Event::Ping(Bytes::new()));
            }
            TickAction::TimedOut(error) => return self.fail(error),
        }
        Ok(())
    }

    /// Records that the peer is there although nothing comes from it: it takes what is sent to it,
    /// slower than it is sent.
    pub fn record_progress(&mut self) {
        self.keep_alive.record_activity();
    }

    /// Whether the session is open: neither side has begun to close it.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// How the session ended, once it has.
    pub fn closed(&self) -> Option<&Closed> {
        match &self.state {
            State::Closed(closed) => Some(closed),
            State::Open | State::Closing(_) => None,
        }
    }

    /// What can be sent.
    pub fn capabilities(&self) -> Capabilities {
        self.codec.capabilities()
    }

    /// Ends; `theirs` is the close that the peer has sent.
    fn end(&mut self, theirs: Option<Close>, clean: bool) {
        let (by, close) = match &mut self.state {
            State::Open => (Side::Peer, theirs),
            State::Closing(ours) => (Side::Local, ours.take().map(|ours| *ours)),
            State::Closed(_) => return,
        };
        self.state = State::closed(by, close, clean);
    }

    fn closed_by_peer(&mut self, close: Option<Close>) {
        if self.is_open() {
            // RFC 6455 §5.5.1: the answer carries the code it answers.
            let answer = match self.echo_reason {
                true => close.clone(),
                false => close.as_ref().map(|close| close.code.into()),
            };
            self.send_close(answer);
        }
        self.end(close, !self.cut);
    }

    fn answer_ping(&mut self, payload: Bytes) {
        if self.outgoing.len() >= PONG_ROOM {
            self.unanswered_ping = Some(Box::new(payload));
        } else if let State::Open = self.state {
            self.send_control(Event::Pong(payload));
        }
    }

    /// Sends what belongs to the protocol itself. Where the codec cannot say it, nothing is said:
    /// a hybi-02 client may be pinging in one framing and be read in the other.
    fn send_control(&mut self, event: Event) {
        let _ = self.codec.encode(event, &mut self.outgoing);
    }

    fn send_close(&mut self, close: Option<Close>) {
        let sent = self.codec.encode(Event::Close(close), &mut self.outgoing);
        self.cut = sent == Err(EncodeError::Unfinished);
    }

    /// Closes the session with the code that names the breach.
    #[cold]
    fn fail<T>(&mut self, error: ProtocolError) -> Result<T, ProtocolError> {
        let close = Close::new(error.close_code(), error.to_string());
        if let State::Open = self.state {
            self.send_close(Some(close.clone()));
        }
        self.state = State::closed(Side::Local, Some(close), false);
        Err(error)
    }
}
