//! A web server that is asked about clients.

use std::fmt;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Request, Response};

use super::Visitor;
use crate::http::{Body, append};
use crate::upstream::{
    ForwardSettings, HttpUpstream, NotAnswered, RequestOrigin, UpstreamSettings, UrlError,
};

/// A web server that is asked about clients: whether to admit one, or which session it has. Clones
/// share their connections.
#[derive(Clone, Debug)]
pub struct Endpoint {
    upstream: HttpUpstream,
}

/// A question about a client, for an [`Endpoint`]. The question can be asked repeatedly.
#[derive(Clone, Default)]
pub struct Question {
    fields: HeaderMap,
}

/// The fields of the client that every question contains.
const SAID: &[&str] = &[
    "authorization",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
];

impl Endpoint {
    /// Creates an endpoint from a URL: `http://HOST[:PORT]/PATH`, or `https://…`.
    ///
    /// # Errors
    ///
    /// The URL is not that of a web server.
    pub fn new(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        Ok(Self {
            upstream: HttpUpstream::asked_by_us(url, settings)?,
        })
    }

    /// Sends a `GET` without a body to the path of the URL. Returns the response as soon as its
    /// head has arrived.
    ///
    /// # Errors
    ///
    /// The server is unreachable, or its response is invalid.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, or the body of the response, cancels the request.
    pub async fn ask(&self, question: &Question) -> Result<Response<Body>, NotAnswered> {
        let mut request = Request::new(Body::from(Bytes::new()));
        *request.headers_mut() = question.fields.clone();
        self.upstream.send(request).await
    }
}

impl Question {
    /// Creates a question with the client's `Cookie`, `Authorization`, `Origin` and `User-Agent`,
    /// with `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` as for upstreams, with
    /// `X-Forwarded-Method` and `X-Forwarded-Uri` (the requested path and query), and with the
    /// client's fields named in `further`.
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
            // HTTP/2 allows several `Cookie` fields, HTTP/1.1 does not (RFC 9113 §8.2.3).
            append(&mut fields, b"cookie", &cookies.join(&b"; "[..]));
        }
        if let Some(origin) = visitor.origin() {
            append(&mut fields, b"origin", origin.as_bytes());
        }
        let asking = RequestOrigin {
            peer: visitor.peer(),
            secure: visitor.is_secure(),
            host: visitor.host(),
        };
        ForwardSettings::default().rewrite_fields(&mut fields, asking);
        append(
            &mut fields,
            b"x-forwarded-method",
            visitor.method().as_bytes(),
        );
        append(&mut fields, b"x-forwarded-uri", visitor.target().as_bytes());
        Self { fields }
    }
}

/// Shows no fields: a cookie is as good as a password.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").finish_non_exhaustive()
    }
}
