//! The part of a connection that is the same in every protocol, above the codecs: pongs, the
//! closing handshake, limits, UTF-8 validation of text, and timers.
//!
//! ```text
//!                 close()                        Close received
//!   Open ───────────────────────▶ Closing ───────────────────────▶ Closed
//!     │                                                              ▲
//!     └──────── Close received (answered), end of stream, error ─────┘
//! ```
//!
//! This module reads no clock. [`Session::timer`] returns the timer to run. The owner of the
//! session runs it and then calls [`Session::handle_timeout`].

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

/// The number of queued bytes from which pongs are held back. Only the newest ping is answered once
/// there is room (allowed by RFC 6455 §5.5.3).
const PONG_ROOM: usize = 4096;

/// The bytes of a message after whose assembly [`Session::receive_in_turns`] pauses.
const SHARE: u32 = 1 << 20;

/// The timer that the owner of a session must run. A new timer starts when [`Session::timer`]
/// returns a different value than before, and after each [`Session::handle_timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// The time until the session checks that the peer is alive.
    KeepAlive(Duration),
    /// The time that the peer has to answer our close.
    Close(Duration),
}

/// A codec with the protocol-independent rules above it.
///
/// Pass received bytes to [`receive`](Self::receive) or [`receive_piece`](Self::receive_piece),
/// pass messages to [`send`](Self::send), and drain [`outgoing`](Self::outgoing) after every call.
#[derive(Debug)]
pub struct Session {
    codec: Box<dyn Codec>,
    max_message: u64,
    /// In milliseconds.
    close_timeout: u32,
    outgoing: WriteBuf,
    state: State,
    /// The newest ping, if it is unanswered for lack of room.
    unanswered_ping: Option<Box<Bytes>>,
    incoming: Incoming,
    /// True if a message that is sent in pieces has begun and not ended.
    sending: bool,
    /// See [`is_cut`](Self::is_cut).
    cut: bool,
    /// The layout in which short messages are written without calling the codec; `None` if the
    /// codec must write them.
    writes: Option<ShortFrames>,
    /// The layout in which short messages are read; `None` after each decode until it is needed.
    reads: Option<ShortFrames>,
    keep_alive: KeepAlive,
    pong: Pong,
    rates: Rates,
    /// The number of messages that were received to their ends.
    received: u64,
    /// The number of messages that were sent to their ends.
    sent: u64,
    counted: Counted,
    /// True if the codec can hold memory.
    codec_holds: bool,
    /// True if the answer to a close repeats its reason.
    echo_reason: bool,
}

#[derive(Debug)]
enum State {
    Open,
    /// We have sent this close and wait for the peer's.
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
    /// The payload so far of a message that is assembled from pieces; `None` if there is none.
    #[expect(
        clippy::box_collection,
        reason = "every connection has one, most of them empty"
    )]
    assembled: Option<Box<Vec<u8>>>,
    /// The length so far, in bytes; zero also before the first byte.
    len: u64,
    utf8: Utf8Validator,
    /// True if the message has begun and not ended.
    unfinished: bool,
    /// The bytes assembled since the last call that receives.
    share: u32,
}

impl Session {
    /// Creates a session over a codec whose opening handshake is complete.
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

    /// Records that the peer will send no more.
    pub fn receive_eof(&mut self) {
        // Without a closing handshake, the end of the stream is the regular close.
        let eof_is_regular = self.codec.capabilities().close == CloseForm::Eof;
        self.end(None, eof_is_regular && !self.incoming.unfinished);
    }

    /// Records that the transport has failed. The session never ends cleanly then.
    pub fn abort(&mut self) {
        self.end(None, false);
    }

    /// Begins the closing handshake; messages may still be received until it is complete. In a
    /// protocol without one ([`CloseForm::Eof`]), the owner of the transport must shut down its
    /// sending direction once [`outgoing`](Self::outgoing) is written.
    ///
    /// In the middle of a message that a close would end (hixie), no close is sent, and the session
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

    /// Returns the number of bytes of memory held for the peer: for a message that is being
    /// assembled, for the output, and for compression.
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

    /// Gives up a peer because memory is short or the peer reads nothing: sends a close and frees
    /// the message that is being assembled. If too much output is queued before the close, the
    /// output is dropped and the session [is cut](Self::is_cut).
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

    /// True if the last [`receive_in_turns`](Self::receive_in_turns) returned `None` only because
    /// it had assembled its share. More may follow without new bytes: a short input can be long
    /// when inflated.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.incoming.share >= SHARE
    }

    /// True if more messages or control frames than a second allows were received since the last
    /// [`check_pace`](Self::check_pace), which must then be called.
    #[inline]
    pub fn is_fast(&self) -> bool {
        self.rates.is_fast(self.received)
    }

    /// Begins a new second of the rate limits if `second_has_passed`: a second or more since the
    /// last call or the start of the session. Otherwise fails the session; pass `false` where
    /// [`is_fast`](Self::is_fast) was true twice within a second.
    ///
    /// # Errors
    ///
    /// The peer has sent more messages or control frames in a second than allowed, and the session
    /// is closed.
    pub fn check_pace(&mut self, second_has_passed: bool) -> Result<(), ProtocolError> {
        match self.rates.check(self.received, second_has_passed) {
            Some(error) if self.closed().is_none() => self.fail(error),
            _ => Ok(()),
        }
    }

    /// True if the session has ended without a close: in the middle of a sent message that a close
    /// would have made look complete (hixie), or in [`give_up`](Self::give_up) with too much output
    /// queued. The owner must close the transport once [`outgoing`](Self::outgoing) is written: the
    /// end of the stream informs the peer.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The output to be written to the transport. Drain it after every call.
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

    /// Returns the number of bytes to be written.
    #[inline]
    pub fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// Returns how many messages were received and how many were sent, to their ends.
    pub fn messages(&self) -> (u64, u64) {
        (self.received, self.sent)
    }

    /// Returns the name of the extension that is in use; `None` if there is none.
    pub fn extension(&self) -> Option<&'static str> {
        self.codec.extension()
    }

    /// Returns the timer to run; `None` for no timer.
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

    /// Records that the time of [`timer`](Self::timer) has passed.
    ///
    /// # Errors
    ///
    /// The peer has been silent for too long, and the session is closed. An unanswered closing
    /// handshake ends the session without an error, but not cleanly.
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

    /// Records that the peer is alive although it sends nothing: it reads its data, but more slowly
    /// than the data is sent.
    pub fn record_progress(&mut self) {
        self.keep_alive.record_activity();
    }

    /// True if neither side has begun to close the session.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Returns how the session ended; `None` while it has not.
    pub fn closed(&self) -> Option<&Closed> {
        match &self.state {
            State::Closed(closed) => Some(closed),
            State::Open | State::Closing(_) => None,
        }
    }

    /// Returns the protocol's capabilities.
    pub fn capabilities(&self) -> Capabilities {
        self.codec.capabilities()
    }

    /// Ends the session; `theirs` is the close that the peer has sent.
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
            // RFC 6455 §5.5.1: the answer repeats the code of the close that it answers.
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

    /// Sends a control event. An error is ignored: a hybi-02 client may send pings in one framing
    /// and expect ours in the other, which has no pongs.
    fn send_control(&mut self, event: Event) {
        let _ = self.codec.encode(event, &mut self.outgoing);
    }

    fn send_close(&mut self, close: Option<Close>) {
        let sent = self.codec.encode(Event::Close(close), &mut self.outgoing);
        self.cut = sent == Err(EncodeError::Unfinished);
    }

    /// Closes the session with the close code of the error.
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
