//! RFC 6455: version 13, what every browser has spoken since 2012.

use crate::hybi::{Announced, CloseBody, Dialect, FINAL, FirstBit, Masking, ORIGIN};
use crate::message::WireForm;

/// The dialect of the RFC, and of the drafts 13 to 17 before it.
pub(crate) static RFC6455: Dialect = Dialect {
    name: "rfc6455",
    announced: Announced::Version(13),
    spoken_by: "every browser since Chrome 16, Firefox 11, Safari 6, IE 10, Opera 12.10",
    opcodes: &FINAL,
    first_bit: FirstBit::Fin,
    masking: Masking::Payload,
    wire_form: WireForm::new("hybi-07"),
    close: CloseBody::Code { strict: true },
    origin: ORIGIN,
    min_key: 16,
};
