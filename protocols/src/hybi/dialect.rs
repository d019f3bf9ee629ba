//! What differs from draft to draft, as data.

use crate::message::{CloseCode, WireForm};
use crate::protocol::{Capabilities, CloseForm, Masking};

/// A HyBi draft that was spoken, or RFC 6455.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The protocol's name.
    pub(crate) name: &'static str,
    /// How a client announces it.
    pub(crate) announced: Announced,
    /// Who spoke it.
    pub(crate) spoken_by: &'static str,
    /// The numbers of the opcodes.
    pub(crate) opcodes: &'static Opcodes,
    /// What the first bit of a frame says.
    pub(crate) first_bit: FirstBit,
    /// What of a client's frames is masked: the payload, with four bytes in the header, or the whole
    /// frame, with four bytes that precede it.
    pub(crate) masking: Masking,
    /// Whether a frame's four bytes are a nonce, of which and of the nonces of the handshake a key
    /// of twenty is made.
    pub(crate) has_nonces: bool,
    /// How a server writes messages: what follows of the opcodes and the first bit.
    pub(crate) wire_form: WireForm,
    /// What a close frame carries.
    pub(crate) close: CloseBody,
    /// The field that the origin stands in. What has none of that name is asked for `Origin`.
    pub(crate) origin: &'static str,
    /// The fewest bytes a key decodes to.
    pub(crate) min_key: usize,
    /// Whether clients announce it that go on with `00 … FF`, as in Hixie-76.
    pub(crate) is_ambiguous: bool,
}

/// How a client announces a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// By `Sec-WebSocket-Draft`, beside the keys of Hixie-76.
    Draft(&'static str),
    /// By `Sec-WebSocket-Version`.
    Version(u8),
}

/// The numbers of the opcodes, but for continuation, which was always 0.
#[derive(Debug)]
pub(crate) struct Opcodes {
    pub(crate) text: u8,
    pub(crate) binary: u8,
    pub(crate) close: u8,
    pub(crate) ping: u8,
    pub(crate) pong: u8,
    /// The most bytes in a control frame. The drafts before 06 named no bound.
    pub(crate) max_control: u64,
}

/// What the first bit of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstBit {
    /// FIN: this is the last frame of its message.
    Fin,
    /// MORE: it is not.
    More,
}

/// What a close frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseBody {
    /// Whatever its sender likes; it is echoed.
    Free,
    /// `S` from a server, `C` from a client (draft 05).
    Letter,
    /// A code and a reason. What a code may be and what becomes of a breach is as RFC 6455 has it
    /// where `strict`, and lenient for the drafts.
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

// From 04 to 10 the field was called Sec-WebSocket-Origin, and version 8 spans the renaming. ws
// 0.4 sends both, Origin without a scheme: two that differ are no sign of an attack, and the one
// that no script can set is believed.
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
    /// What its messages can carry.
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

    /// Whether extensions are spoken. They have been offered since draft 04, but before hybi-07 by
    /// no client that is known to compress.
    pub(crate) fn has_extensions(&self) -> bool {
        self.masking == Masking::Payload
    }

    /// The code that says the same in this version.
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

    /// Whether half a code in a close frame is a breach: it was not before version 8.
    pub(crate) fn refuses_half_a_code(&self) -> bool {
        matches!(self.announced, Announced::Version(8..))
    }

    /// What a code from a peer means; `None` where it must not stand on the wire.
    pub(crate) fn incoming(&self, code: u16) -> Option<CloseCode> {
        match (self.close, code) {
            (CloseBody::Code { strict: false }, 1004) => Some(CloseCode::TOO_BIG),
            _ => CloseCode::new(code),
        }
    }
}
