//! The table of endings: the actions of both sides, and their outcome in every protocol.

use std::fmt;
use std::time::Duration;

use polysock::protocols::ProtocolError;
use polysock::{Closed, ConnectionError, Side};

use crate::wire_peer::Seen;

/// The time for which our side waits for the answer to its close, in rows in which it expires.
pub const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// The silence after which our side considers a peer disconnected, in rows that test it.
pub const IDLE: Duration = Duration::from_millis(500);

/// The actions of our application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// Receives until the end.
    Listens,
    /// The same as [`Ours::Listens`], with an idle limit of [`IDLE`].
    ListensImpatiently,
    /// Closes with 4001 and a reason after a message has arrived.
    Closes,
    /// Drops the connection after a message has arrived.
    Drops,
    /// Drops the connection without receiving anything, when something has arrived.
    DropsUnread,
    /// The same, with much left to send.
    DropsUnreadAndUnsent,
    /// After a message has arrived, sends another one too late.
    SpeaksLate,
}

/// The actions of the peer, after a first message that announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// Closes with 4002 and a reason.
    Closes,
    /// Waits for our close, and answers it.
    Answers,
    /// Waits for our close, and disconnects.
    HangsUpOnClose,
    /// Waits for our close, and resets the connection.
    ResetsOnClose,
    /// Waits for our close, and does not answer.
    Waits,
    /// Disconnects.
    HangsUp,
    /// Disconnects in the middle of a message.
    HangsUpWithin,
    /// Resets the connection.
    Resets,
    /// Closes as in [`Theirs::Closes`], and resets the connection.
    ClosesAndResets,
    /// Sends a text that is not valid UTF-8, and continues to send.
    SendsNoText,
    /// Sends a flood.
    Floods,
}

/// Returns the code that arrives at a peer or an application if this code is sent. `None` if the
/// protocol carries no code.
pub fn carried(protocol: &str, code: u16) -> Option<u16> {
    match (protocol, code) {
        ("hybi-06", 3000..) => Some(1000),
        ("hybi-06" | "hybi-07", 1007) => Some(1002),
        ("hybi-06" | "hybi-07" | "hybi-10", 1014) => Some(1001),
        ("hybi-06" | "hybi-07" | "hybi-10" | "rfc6455", code) => Some(code),
        _ => None,
    }
}

/// The outcome that an application receives, in the form of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The end of its stream.
    pub end: &'static str,
    /// The side that ended the connection.
    pub by: Side,
    /// The code, and the reason if there is one.
    pub close: Option<(u16, String)>,
    /// Whether the closing handshake was complete.
    pub clean: bool,
}

impl Told {
    /// Creates the value from the end of the stream of messages and the outcome of the connection.
    pub fn new(end: Option<&ConnectionError>, closed: Option<&Closed>) -> Self {
        let closed = closed.expect("the connection has ended");
        let end = match end {
            None => "end",
            Some(ConnectionError::Aborted) => "aborted",
            Some(ConnectionError::Io(_)) => "io",
            Some(ConnectionError::Protocol(ProtocolError::Utf8)) => "no text",
            Some(ConnectionError::Protocol(ProtocolError::Idle)) => "silent",
            Some(other) => panic!("{other}"),
        };
        let close = closed.close.as_ref();
        Self {
            end,
            by: closed.by,
            close: close.map(|close| (close.code.get(), close.reason.to_string())),
            clean: closed.clean,
        }
    }
}

/// The observations of the peer at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The close, with its code and reason if it has them. The outer `None` means no close.
    pub close: Option<Option<(u16, String)>>,
    /// The event after the close.
    pub last: Seen,
}

/// The actions of both sides, and their outcome.
pub struct Row {
    /// The actions of our application.
    pub ours: Ours,
    /// The actions of the peer.
    pub theirs: Theirs,
    /// The expected observations of the peer.
    pub wire: Expected<Wire>,
    /// The expected outcome for our application.
    pub told: Expected<Told>,
}

/// The expectation of a row for one side.
pub enum Expected<T> {
    /// A value, by the name of the protocol.
    Of(fn(&str) -> T),
    /// Nothing, and nothing is checked: the side leaves before there is anything to observe.
    Nothing,
}

/// The observations of one side.
#[derive(Debug, PartialEq, Eq)]
pub enum Got<T> {
    /// A value.
    Some(T),
    /// None: the side left before there was anything to observe.
    Gone,
}

impl<T: fmt::Debug + PartialEq> Expected<T> {
    /// Describes the difference between the expectation and the observations.
    pub fn difference(&self, protocol: &str, got: &Got<T>) -> Option<String> {
        match (self, got) {
            (Self::Of(expected), Got::Some(got)) => {
                let expected = expected(protocol);
                (*got != expected).then(|| format!("  {got:?}\n  not {expected:?}\n"))
            }
            (Self::Nothing, Got::Gone) => None,
            (Self::Of(_), Got::Gone) => Some("  it went before it could look\n".into()),
            (Self::Nothing, Got::Some(got)) => Some(format!("  {got:?} that no row wants\n")),
        }
    }
}

impl Row {
    /// Returns the actions of both sides as the name of the row.
    pub fn name(&self) -> String {
        format!("{:?}, {:?}", self.ours, self.theirs)
    }

    /// Describes the differences of both sides from the row, with its name.
    pub fn differences(
        &self,
        role: &str,
        protocol: &str,
        wire: &Got<Wire>,
        told: &Got<Told>,
    ) -> Vec<String> {
        let name = format!("{}, {role} in {protocol}", self.name());
        let wire = self.wire.difference(protocol, wire);
        let told = self.told.difference(protocol, told);
        let wire = wire.map(|text| format!("{name}, on the wire:\n{text}"));
        let told = told.map(|text| format!("{name}, told:\n{text}"));
        wire.into_iter().chain(told).collect()
    }
}

/// The end with a close. In protocols without a closing handshake, the end of the stream.
pub fn closes(protocol: &str, code: u16, reason: &str) -> Wire {
    let code = carried(protocol, code).map(|code| (code, reason.to_owned()));
    let close = (protocol != "hixie-75").then_some(code);
    let last = Seen::End;
    Wire { close, last }
}

fn tells(end: &'static str, by: Side, close: Option<(u16, &str)>, clean: bool) -> Told {
    Told {
        end,
        by,
        close: close.map(|(code, reason)| (code, reason.to_owned())),
        clean,
    }
}

const NOT_UTF_8: &str = "text is not UTF-8";
const SILENT: &str = "nothing was received within the idle timeout";

/// True if the protocol has no closing handshake, so that the end of the stream is the regular end.
pub fn is_bare(protocol: &str) -> bool {
    protocol == "hixie-75"
}

/// The end of the stream without a close.
fn hangs_up() -> Wire {
    let (close, last) = (None, Seen::End);
    Wire { close, last }
}

/// All rows.
pub const ROWS: [Row; 14] = [
    Row {
        ours: Ours::Listens,
        theirs: Theirs::Closes,
        // The answer contains the code alone (RFC 6455 §5.5.1).
        wire: Expected::Of(|protocol| closes(protocol, 4002, "")),
        told: Expected::Of(|protocol| {
            let close = carried(protocol, 4002).map(|code| (code, "bye"));
            tells("end", Side::Peer, close, true)
        }),
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::Answers,
        wire: Expected::Of(|protocol| closes(protocol, 4001, "enough")),
        told: Expected::Of(|_| tells("end", Side::Local, Some((4001, "enough")), true)),
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::HangsUpOnClose,
        wire: Expected::Of(|protocol| closes(protocol, 4001, "enough")),
        told: Expected::Of(|protocol| {
            let close = Some((4001, "enough"));
            tells("end", Side::Local, close, is_bare(protocol))
        }),
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::ResetsOnClose,
        wire: Expected::Nothing,
        told: Expected::Of(|_| tells("end", Side::Local, Some((4001, "enough")), false)),
    },
    Row {
        ours: Ours::Closes,
        theirs: Theirs::Waits,
        wire: Expected::Of(|protocol| closes(protocol, 4001, "enough")),
        told: Expected::Of(|_| tells("end", Side::Local, Some((4001, "enough")), false)),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::HangsUp,
        wire: Expected::Of(|_| hangs_up()),
        told: Expected::Of(|protocol| match is_bare(protocol) {
            true => tells("end", Side::Peer, None, true),
            false => tells("aborted", Side::Peer, None, false),
        }),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::HangsUpWithin,
        wire: Expected::Of(|_| hangs_up()),
        told: Expected::Of(|_| tells("aborted", Side::Peer, None, false)),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::Resets,
        wire: Expected::Nothing,
        told: Expected::Of(|_| tells("io", Side::Peer, None, false)),
    },
    Row {
        ours: Ours::Listens,
        theirs: Theirs::SendsNoText,
        wire: Expected::Of(|protocol| closes(protocol, 1007, NOT_UTF_8)),
        told: Expected::Of(|_| tells("no text", Side::Local, Some((1007, NOT_UTF_8)), false)),
    },
    Row {
        ours: Ours::ListensImpatiently,
        theirs: Theirs::Waits,
        wire: Expected::Of(|protocol| closes(protocol, 1001, SILENT)),
        told: Expected::Of(|_| tells("silent", Side::Local, Some((1001, SILENT)), false)),
    },
    Row {
        ours: Ours::Drops,
        theirs: Theirs::Answers,
        wire: Expected::Of(|protocol| closes(protocol, 1000, "")),
        told: Expected::Nothing,
    },
    Row {
        ours: Ours::DropsUnread,
        theirs: Theirs::Floods,
        wire: Expected::Of(|protocol| closes(protocol, 1000, "")),
        told: Expected::Nothing,
    },
    Row {
        ours: Ours::DropsUnreadAndUnsent,
        theirs: Theirs::Floods,
        wire: Expected::Of(|protocol| closes(protocol, 1000, "")),
        told: Expected::Nothing,
    },
    Row {
        ours: Ours::SpeaksLate,
        theirs: Theirs::ClosesAndResets,
        wire: Expected::Nothing,
        told: Expected::Of(|protocol| match is_bare(protocol) {
            true => tells("io", Side::Peer, None, false),
            false => {
                let close = carried(protocol, 4002).map(|code| (code, "bye"));
                tells("end", Side::Peer, close, true)
            }
        }),
    },
];
