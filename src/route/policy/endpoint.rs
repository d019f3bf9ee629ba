//! A web server that is asked about clients.

use std::fmt;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Request, Response};

use super::Visitor;
use crate::http::{Body, append};
use crate::upstream::{
    Asking, ForwardSettings, HttpUpstream, NotAnswered, UpstreamSettings, UrlError,
};

/// A web server that is asked about clients: whether one is let in, or what session it has. Clones share its
/// connections.
#[derive(Clone, Debug)]
pub struct Endpoint {
    upstream: HttpUpstream,
}

/// What is said of a client to who is asked about it. It can be asked again.
#[derive(Clone, Default)]
pub struct Question {
    fields: HeaderMap,
}

/// The fields of a client that are said: who it is, and by whom it came.
const SAID: &[&str] = &[
    "authorization",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
];

impl Endpoint {
    /// The web server at this URL: `http://HOST[:PORT]/PATH`, or `https://…`.
    ///
    /// # Errors
    ///
    /// The URL is none of a web server.
    pub fn new(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        Ok(Self {
            upstream: HttpUpstream::asked_by_us(url, settings)?,
        })
    }

    /// Asks: sends a `GET` without a body, at the path of the URL, and returns the answer as soon as its head
    /// is there.
    ///
    /// # Errors
    ///
    /// The server is not there, or its answer is none.
    ///
    /// # Cancel safety
    ///
    /// To drop the future, or the body of the answer, ends the request.
    pub async fn ask(&self, question: &Question) -> Result<Response<Body>, NotAnswered> {
        let mut request = Request::new(Body::from(Bytes::new()));
        *request.headers_mut() = question.fields.clone();
        self.upstream.send(request).await
    }
}

impl Question {
    /// What is said of this client: its `Cookie`, `Authorization`, `Origin` and `User-Agent`, `X-Forwarded-For`, `-Proto`,
    /// `-Host` and `-Port` as upstreams have them, `X-Forwarded-Method` and `X-Forwarded-Uri`, which is the path
    /// and the query that it asks for, and its fields of these names.
    pub fn about(visitor: Visitor<'_>, further: &[HeaderName]) -> Self {
        let mut fields = HeaderMap::new();
        let further = further.iter().map(HeaderName::as_str);
        for name in SAID.iter().copied().chain(further) {
            for value in visitor.values(name) {
                append(&mut fields, name.as_bytes(), value);
            }
        }
        let cookies = visitor.values("cookie");
        if !cookies.is_empty() {
            // HTTP/2 may have them in several fields, HTTP/1.1 may not (RFC 9113 §8.2.3).
            append(&mut fields, b"cookie", &cookies.join(&b"; "[..]));
        }
        if let Some(origin) = visitor.origin() {
            append(&mut fields, b"origin", origin.as_bytes());
        }
        let asking = Asking {
            peer: visitor.peer(),
            secure: visitor.is_secure(),
            host: visitor.host(),
        };
        ForwardSettings::default().tell(&mut fields, asking);
        append(
            &mut fields,
            b"x-forwarded-method",
            visitor.method().as_bytes(),
        );
        append(&mut fields, b"x-forwarded-uri", visitor.target().as_bytes());
        Self { fields }
    }
}

/// Nothing of it is shown: a cookie is as good as a password.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").finish_non_exhaustive()
    }
}
