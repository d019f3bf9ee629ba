//! Asking an HTTP endpoint whether a client is let in.

use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use polysock_protocols::{Fields, Rejection};
use tokio::time::timeout;
use tracing::warn;

use crate::http::Body;
use crate::route::policy::{Admitted, Policy, Visitor};
use crate::telemetry::{Failures, Throttle};
use crate::transport::Authenticated;
use crate::upstream::{Asking, ForwardSettings, HttpUpstream, UpstreamSettings, UrlError};

/// Asks an HTTP endpoint for each client whether it is let in: 2xx lets it in, and anything else is what
/// it is answered with, with its fields and its body: a 401 with `WWW-Authenticate`, a 302 with `Location`. A
/// body of more than 64 KiB, or one that takes longer than two seconds, gives way to a line of text. Where
/// the endpoint is not there, clients are told 503.
///
/// The endpoint is sent a `GET` without a body, at the path of its URL, which has `Cookie`, `Authorization`, `Origin`
/// and `User-Agent` of the client, `X-Forwarded-For`, `-Proto`, `-Host` and `-Port` as upstreams have them, and
/// `X-Forwarded-Method` and `X-Forwarded-Uri`, which is the path and the query that the client asks for.
#[derive(Debug)]
pub struct ForwardAuth {
    endpoint: HttpUpstream,
    settings: ForwardAuthSettings,
    failures: Throttle<Failures>,
}

/// How an endpoint is asked.
#[derive(Clone, Debug)]
pub struct ForwardAuthSettings {
    /// Further fields of the client that it is sent.
    pub send: Vec<HeaderName>,
    /// Fields of its answer that are known of the client then, as `{auth.field.NAME}`.
    pub pass: Vec<HeaderName>,
    /// The field of its answer that is the name of the user.
    pub user: Option<HeaderName>,
    /// How long it may take. 5 seconds by default.
    pub timeout: Duration,
}

/// The longest body of an answer that is passed on, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// How long a body may take behind its head.
const PATIENCE: Duration = Duration::from_secs(2);

/// The fields of a client that an endpoint is sent: those that say who it is, and by whom it came.
const SENT: &[&str] = &[
    "authorization",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
];

impl Default for ForwardAuthSettings {
    fn default() -> Self {
        Self {
            send: Vec::new(),
            pass: Vec::new(),
            user: None,
            timeout: Duration::from_secs(5),
        }
    }
}

impl ForwardAuth {
    /// Asks the endpoint at this URL: `http://HOST[:PORT]/PATH`, or `https://…`.
    ///
    /// # Errors
    ///
    /// The URL is none of a web server.
    pub fn new(
        url: &str,
        settings: ForwardAuthSettings,
        upstream: UpstreamSettings,
    ) -> Result<Self, UrlError> {
        Ok(Self {
            endpoint: HttpUpstream::asked_by_us(url, upstream)?,
            settings,
            failures: Throttle::new(|failures: Failures| {
                let times = failures.times();
                warn!(error = failures.last, times, "nobody says who is let in");
            }),
        })
    }

    /// What the endpoint is asked for a client.
    fn request_for(&self, visitor: Visitor<'_>) -> Request<Body> {
        let mut fields = HeaderMap::new();
        let further = self.settings.send.iter().map(HeaderName::as_str);
        for name in SENT.iter().copied().chain(further) {
            for value in visitor.values(name) {
                put(&mut fields, name, value);
            }
        }
        let cookies = visitor.values("cookie");
        if !cookies.is_empty() {
            // HTTP/2 may have them in several fields, HTTP/1.1 may not (RFC 9113 §8.2.3).
            put(&mut fields, "cookie", &cookies.join(&b"; "[..]));
        }
        if let Some(origin) = visitor.origin() {
            put(&mut fields, "origin", origin.as_bytes());
        }
        let asking = Asking {
            peer: visitor.peer(),
            secure: visitor.is_secure(),
            host: visitor.host(),
        };
        ForwardSettings::default().tell(&mut fields, asking);
        put(
            &mut fields,
            "x-forwarded-method",
            visitor.method().as_bytes(),
        );
        put(&mut fields, "x-forwarded-uri", visitor.target().as_bytes());
        let mut request = Request::new(Body::from(Bytes::new()));
        *request.headers_mut() = fields;
        request
    }

    async fn ask(&self, visitor: Visitor<'_>) -> Result<Admitted, Rejection> {
        let asked = self.endpoint.send(self.request_for(visitor));
        let failed = match timeout(self.settings.timeout, asked).await {
            Ok(Ok(answer)) if answer.status().is_success() => return Ok(self.admitted(&answer)),
            Ok(Ok(answer)) if matches!(answer.status().as_u16(), 300..=303 | 305..=599) => {
                return Err(rejection(answer).await);
            }
            Ok(Ok(answer)) => format!("the endpoint says {}", answer.status()),
            Ok(Err(failed)) => failed.error.to_string(),
            Err(_) => "the endpoint does not answer in time".to_owned(),
        };
        self.failures.note(|failures| failures.add(&failed));
        Err(Rejection::unavailable("nobody can say who is let in"))
    }

    fn admitted(&self, answer: &Response<Body>) -> Admitted {
        let value = |name: &HeaderName| {
            let values = answer.headers().get_all(name).iter();
            let values: Option<Vec<&str>> = values.map(|value| value.to_str().ok()).collect();
            values
                .filter(|values| !values.is_empty())
                .map(|values| values.join(", "))
        };
        let user = self.settings.user.as_ref().and_then(value);
        let mut authenticated = Authenticated::new(user.map(Into::into));
        for name in &self.settings.pass {
            if let Some(value) = value(name) {
                authenticated.field(name.as_str(), value);
            }
        }
        Admitted {
            authenticated: Some(authenticated),
            ..Admitted::default()
        }
    }
}

impl Policy for ForwardAuth {
    fn check<'a>(&'a self, visitor: Visitor<'a>) -> BoxFuture<'a, Result<Admitted, Rejection>> {
        Box::pin(self.ask(visitor))
    }
}

fn put(fields: &mut HeaderMap, name: &str, value: &[u8]) {
    // What a client has sent came as a field.
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(value),
    ) {
        fields.append(name, value);
    }
}

/// An answer as the client gets it.
async fn rejection(answer: Response<Body>) -> Rejection {
    let (mut head, body) = answer.into_parts();
    let status = head.status.as_u16();
    let body = timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
    let body = body.ok().and_then(Result::ok);
    let is_whole = body.is_some();
    head.headers.remove(CONTENT_LENGTH);
    let is_of_handshake = |name: &str| {
        name.starts_with("sec-websocket-") || (!is_whole && name.starts_with("content-"))
    };
    let fields = head.headers.iter();
    let fields: Fields = fields
        .filter(|(name, _)| !is_of_handshake(name.as_str()))
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let text = Rejection::new(status, "not let in");
    match body {
        Some(body) => {
            let body = body.to_bytes();
            let mut fields = fields;
            if !body.is_empty() && !fields.has("content-type") {
                // RFC 9110 §8.3: what a body without a type may be taken for.
                fields.append("Content-Type", "application/octet-stream");
            }
            Rejection {
                body,
                fields,
                ..text
            }
        }
        None => Rejection { fields, ..text },
    }
}
