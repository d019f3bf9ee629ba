//! The differences between the drafts, as data.

use crate::message::{CloseCode, WireForm};
use crate::protocol::{Capabilities, CloseForm, Masking};

/// A HyBi draft that clients have used, or RFC 6455.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The protocol's name.
    pub(crate) name: &'static str,
    /// The field by which a client announces it.
    pub(crate) announced: Announced,
    /// The clients that use it.
    pub(crate) spoken_by: &'static str,
    /// The numbers of the opcodes.
    pub(crate) opcodes: &'static Opcodes,
    /// The meaning of the first bit of a frame.
    pub(crate) first_bit: FirstBit,
    /// The part of a frame that clients mask: the payload, with a four-byte key in the header, or
    /// the whole frame, with four bytes in front of it.
    pub(crate) masking: Masking,
    /// True if the four bytes in front of a frame are a nonce: the frame's key, of twenty bytes, is
    /// derived from it and the nonces of the handshake.
    pub(crate) has_nonces: bool,
    /// The form of a server's messages, which follows from the opcodes and the first bit.
    pub(crate) wire_form: WireForm,
    /// The contents of a close frame.
    pub(crate) close: CloseBody,
    /// The field with the origin. `Origin` is read if a request does not have it.
    pub(crate) origin: &'static str,
    /// The shortest decoded key that is accepted, in bytes.
    pub(crate) min_key: usize,
    /// True if some clients that announce it go on with `00 … FF`, as in hixie-76.
    pub(crate) is_ambiguous: bool,
}

/// The field by which a client announces a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// `Sec-WebSocket-Draft`, in addition to the keys of hixie-76.
    Draft(&'static str),
    /// `Sec-WebSocket-Version`.
    Version(u8),
}

/// The opcodes, except continuation, which is always 0.
#[derive(Debug)]
pub(crate) struct Opcodes {
    pub(crate) text: u8,
    pub(crate) binary: u8,
    pub(crate) close: u8,
    pub(crate) ping: u8,
    pub(crate) pong: u8,
    /// The longest payload of a control frame, in bytes. The drafts before 06 set no bound.
    pub(crate) max_control: u64,
}

/// The meaning of the first bit of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstBit {
    /// FIN: set in the last frame of a message.
    Fin,
    /// MORE: set in all frames of a message but the last.
    More,
}

/// The contents of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseBody {
    /// Arbitrary bytes, which are echoed.
    Free,
    /// `S` from a server, `C` from a client (draft 05).
    Letter,
    /// A code and a reason. If `strict`, the rules of RFC 6455 apply to codes and to invalid UTF-8;
    /// the drafts are lenient.
    Code { strict: bool },
}

static EARLY: Opcodes = Opcodes {
    text: 4,
    binary: 5,
    close: 1,
    ping: 2,
    pong: 3,
    max_control: 1024,
};
static EARLY_SHORT: Opcodes = Opcodes {
    max_control: 125,
    ..EARLY
};
pub(crate) static FINAL: Opcodes = Opcodes {
    text: 1,
    binary: 2,
    close: 8,
    ping: 9,
    pong: 0xa,
    max_control: 125,
};

// Drafts 04 to 10 called the field Sec-WebSocket-Origin, and version 8 spans the renaming. ws 0.4
// sends both, with an Origin that has no scheme: two different values are no sign of an attack.
// Sec-WebSocket-Origin, which no script can set, takes precedence.
const EARLY_ORIGIN: &str = "Sec-WebSocket-Origin";
pub(crate) const ORIGIN: &str = "Origin";

const BEFORE_04: Dialect = Dialect {
    name: "hybi-01",
    announced: Announced::Draft("1"),
    spoken_by: "libraries of autumn 2010",
    opcodes: &EARLY,
    first_bit: FirstBit::More,
    masking: Masking::None,
    has_nonces: false,
    wire_form: WireForm::new("hybi-01"),
    close: CloseBody::Free,
    origin: ORIGIN,
    min_key: 0,
    is_ambiguous: false,
};

/// draft-ietf-hybi-thewebsocketprotocol-01 (2010-08-31).
pub(crate) static HYBI01: Dialect = BEFORE_04;

/// draft-ietf-hybi-thewebsocketprotocol-02 (2010-09-24).
pub(crate) static HYBI02: Dialect = Dialect {
    name: "hybi-02",
    announced: Announced::Draft("2"),
    is_ambiguous: true,
    ..BEFORE_04
};

/// draft-ietf-hybi-thewebsocketprotocol-03 (2010-10-17).
pub(crate) static HYBI03: Dialect = Dialect {
    name: "hybi-03",
    announced: Announced::Draft("3"),
    ..BEFORE_04
};

const BEFORE_07: Dialect = Dialect {
    name: "hybi-04",
    announced: Announced::Version(4),
    spoken_by: "libraries of early 2011",
    first_bit: FirstBit::Fin,
    masking: Masking::Frame,
    wire_form: WireForm::new("hybi-04"),
    origin: EARLY_ORIGIN,
    min_key: 16,
    ..BEFORE_04
};

/// draft-ietf-hybi-thewebsocketprotocol-04 (2011-01-11).
pub(crate) static HYBI04: Dialect = Dialect {
    spoken_by: "libraries of early 2011, such as libwebsockets 0.1",
    has_nonces: true,
    ..BEFORE_07
};

/// draft-ietf-hybi-thewebsocketprotocol-05 (2011-02-08).
pub(crate) static HYBI05: Dialect = Dialect {
    name: "hybi-05",
    announced: Announced::Version(5),
    close: CloseBody::Letter,
    ..BEFORE_07
};

/// draft-ietf-hybi-thewebsocketprotocol-06 (2011-02-25).
pub(crate) static HYBI06: Dialect = Dialect {
    name: "hybi-06",
    announced: Announced::Version(6),
    spoken_by: "the HTML5 Labs add-on for IE 8 and 9, Jetty 7, libraries of 2011",
    opcodes: &EARLY_SHORT,
    close: CloseBody::Code { strict: false },
    ..BEFORE_07
};

pub(crate) const SINCE_07: Dialect = Dialect {
    name: "hybi-07",
    announced: Announced::Version(7),
    spoken_by: "Firefox 6",
    opcodes: &FINAL,
    masking: Masking::Payload,
    wire_form: WireForm::new("hybi-07"),
    close: CloseBody::Code { strict: false },
    // ws 0.4 to 1.1 sends keys of 15 bytes in version 8.
    min_key: 15,
    ..BEFORE_07
};

/// draft-ietf-hybi-thewebsocketprotocol-07 (2011-04-22): version 7.
pub(crate) static HYBI07: Dialect = SINCE_07;

/// draft-ietf-hybi-thewebsocketprotocol-08 to -12 (2011-06-07 to 2011-08-24): version 8.
pub(crate) static HYBI10: Dialect = Dialect {
    name: "hybi-10",
    announced: Announced::Version(8),
    spoken_by: "Chrome 14-15, Firefox 7-10, IE 10 previews, web-socket-js 2011",
    ..SINCE_07
};

impl Dialect {
    /// Returns what messages of the draft can carry.
    pub(crate) fn capabilities(&self) -> Capabilities {
        let close = match self.close {
            CloseBody::Free | CloseBody::Letter => CloseForm::Bare,
            CloseBody::Code { .. } => CloseForm::Code,
        };
        Capabilities {
            binary: true,
            ping: true,
            close,
        }
    }

    /// True if extensions are negotiated. Clients have offered them since draft 04, but no client
    /// before hybi-07 is known to compress.
    pub(crate) fn has_extensions(&self) -> bool {
        self.masking == Masking::Payload
    }

    /// Returns the number of a close code in this version.
    pub(crate) fn outgoing(&self, code: CloseCode) -> u16 {
        let Announced::Version(version @ ..=8) = self.announced else {
            return code.get();
        };
        match code.get() {
            // Called "too large" until draft 13 reserved it.
            1009 => 1004,
            1007 if version < 8 => 1002,
            1008 | 1010 => 1002,
            1011..=1014 => 1001,
            3000..=4999 if version < 7 => 1000,
            code => code,
        }
    }

    /// True if a close body of one byte is an error. Versions before 8 allowed it.
    pub(crate) fn refuses_half_a_code(&self) -> bool {
        matches!(self.announced, Announced::Version(8..))
    }

    /// Returns the meaning of a received close code; `None` if it must not appear on the wire.
    pub(crate) fn incoming(&self, code: u16) -> Option<CloseCode> {
        match (self.close, code) {
            (CloseBody::Code { strict: false }, 1004) => Some(CloseCode::TOO_BIG),
            _ => CloseCode::new(code),
        }
    }
}
