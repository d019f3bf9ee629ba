//! RFC 6455: version 13, which all browsers have used since 2012.

use crate::hybi::{Announced, CloseBody, Dialect, ORIGIN, SINCE_07};

/// The dialect of the RFC, and of its drafts 13 to 17.
pub(crate) static RFC6455: Dialect = Dialect {
    name: "rfc6455",
    announced: Announced::Version(13),
    spoken_by: "every browser since Chrome 16, Firefox 11, Safari 6, IE 10, Opera 12.10",
    close: CloseBody::Code { strict: true },
    origin: ORIGIN,
    min_key: 16,
    ..SINCE_07
};
