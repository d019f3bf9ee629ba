//! Ordinary HTTP, and the streams of HTTP/2.

mod http1;
pub(crate) mod http2;

pub use self::http1::Pages;
pub(crate) use self::http1::serve;
