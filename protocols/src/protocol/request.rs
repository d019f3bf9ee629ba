//! A client's request.

use bytestring::ByteString;

use crate::http::Head;

/// A client's request, recognised and valid.
#[derive(Clone, Debug)]
pub struct Request {
    /// The name of the protocol it speaks.
    pub protocol: &'static str,
    /// Whether the page sees `wss://`.
    pub secure: bool,
    /// The `Host` field as it came.
    pub host: ByteString,
    /// Path and query, without scheme and authority.
    pub target: ByteString,
    /// The origin of the page; browsers always send one.
    pub origin: Option<ByteString>,
    /// The subprotocols that were offered, in order of preference: the client's, on all the lines of
    /// its list (RFC 6455 §11.3.4), unless a gateway was told its own.
    pub subprotocols: Vec<ByteString>,
    /// The whole head, for cookies, user agent and the like.
    pub head: Head,
}

impl Request {
    /// The path: the target up to its query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    /// The `User-Agent`, where the client sent one: few clients did before 2013.
    pub fn user_agent(&self) -> Option<String> {
        self.head
            .value("user-agent")
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }
}
