//! What becomes of what both sides do, in every protocol.

use std::fmt;
use std::time::Duration;

use polysock::protocols::ProtocolError;
use polysock::{Closed, ConnectionError, Side};

use crate::wire_peer::Seen;

/// How long our side waits for the answer to its close, where a row wants it to be over.
pub const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// After how much silence our side gives a peer up, where a row wants it to.
pub const IDLE: Duration = Duration::from_millis(500);

/// What our application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// Receives until the end.
    Listens,
    /// As [`Ours::Listens`], while nothing may be heard for [`IDLE`].
    ListensImpatiently,
    /// Closes with 4001 and a reason once a message has come.
    Closes,
    /// Drops the connection once a message has come.
    Drops,
    /// Drops it without having received anything, when there is something.
    DropsUnread,
    /// The same, with much left to send.
    DropsUnreadAndUnsent,
    /// Once a message has come, sends another too late.
    SpeaksLate,
}

/// What the peer does, after a message that says that it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// Closes with 4002 and a reason.
    Closes,
    /// Waits for our close, and answers it.
    Answers,
    /// Waits for our close, and hangs up.
    HangsUpOnClose,
    /// Waits for our close, and resets the connection.
    ResetsOnClose,
    /// Waits for our close, and says nothing.
    Waits,
    /// Hangs up.
    HangsUp,
    /// Hangs up within a message.
    HangsUpWithin,
    /// Resets the connection.
    Resets,
    /// Closes as [`Theirs::Closes`], and resets the connection.
    ClosesAndResets,
    /// Sends a text that is none, and goes on sending.
    SendsNoText,
    /// Sends a lot.
    Floods,
}

/// The code that a peer sees, out of the one that is sent, or that is told the application, out of
/// the one that the peer sends: `None` where the protocol has none.
pub fn carried(protocol: &str, code: u16) -> Option<u16> {
    match (protocol, code) {
        ("hybi-06", 3000..) => Some(1000),
        ("hybi-06" | "hybi-07", 1007) => Some(1002),
        ("hybi-06" | "hybi-07" | "hybi-10", 1014) => Some(1001),
        ("hybi-06" | "hybi-07" | "hybi-10" | "rfc6455", code) => Some(code),
        _ => None,
    }
}

/// What an application is told, for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What its stream ended with.
    pub end: &'static str,
    /// Who has ended it.
    pub by: Side,
    /// The code, and the reason where there is one.
    pub close: Option<(u16, String)>,
    /// Whether both sides had agreed.
    pub clean: bool,
}

impl Told {
    /// Out of what the stream of messages ended with, and of how the connection is closed.
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

/// What the peer sees at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// A close, with its code and reason where it has one.
    pub close: Option<Option<(u16, String)>>,
    /// What comes behind it.
    pub last: Seen,
}

/// What becomes of what both do.
pub struct Row {
    /// What our application does.
    pub ours: Ours,
    /// What the peer does.
    pub theirs: Theirs,
    /// What the peer sees.
    pub wire: Expected<Wire>,
    /// What our application is told.
    pub told: Expected<Told>,
}

/// What a row wants of one side.
pub enum Expected<T> {
    /// This, in a protocol of this name.
    Of(fn(&str) -> T),
    /// Nothing: the side goes before there is anything to know, and nobody looks.
    Nothing,
}

/// What a side got to know.
#[derive(Debug, PartialEq, Eq)]
pub enum Got<T> {
    /// This.
    Some(T),
    /// It went before there was anything to know.
    Gone,
}

impl<T: fmt::Debug + PartialEq> Expected<T> {
    /// How what a side got to know differs.
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
    /// What both do.
    pub fn name(&self) -> String {
        format!("{:?}, {:?}", self.ours, self.theirs)
    }

    /// How both sides differ from the row, with its name.
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

/// In protocols without a closing handshake, nothing but the end of the stream.
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

/// Whether the end of the stream is the regular one, as there is no closing handshake.
pub fn is_bare(protocol: &str) -> bool {
    protocol == "hixie-75"
}

/// Nothing but the end of the stream.
fn hangs_up() -> Wire {
    let (close, last) = (None, Seen::End);
    Wire { close, last }
}

/// Every row.
pub const ROWS: [Row; 14] = [
    Row {
        ours: Ours::Listens,
        theirs: Theirs::Closes,
        // The answer has the code alone (RFC 6455 §5.5.1).
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
