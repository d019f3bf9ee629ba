//! A policy that asks an HTTP endpoint about each client.

use std::time::Duration;

use futures_core::future::BoxFuture;
use http_body_util::{BodyExt, Limited};
use hyper::Response;
use hyper::header::{CONTENT_LENGTH, HeaderName};
use polysock_protocols::{Fields, Rejection};
use tokio::time::timeout;
use tracing::warn;

use crate::http::Body;
use crate::route::policy::{Admitted, Endpoint, Policy, Question, Visitor};
use crate::telemetry::{Failures, Throttle};
use crate::transport::Authenticated;
use crate::upstream::{UpstreamSettings, UrlError};

/// Asks an HTTP endpoint about each client. 2xx admits the client. Any other response except 304 is
/// forwarded to the client with its fields and its body: a 401 with `WWW-Authenticate`, a 302 with
/// `Location`. A body of more than 64 KiB, or one that takes longer than two seconds, is replaced
/// with a line of text. If the endpoint does not answer, clients receive 503.
///
/// The request is a `GET` without a body, to the path of the URL. It contains `Cookie`,
/// `Authorization`, `Origin` and `User-Agent` of the client, `X-Forwarded-For`, `-Proto`, `-Host`
/// and `-Port` as for upstreams, `X-Forwarded-Method`, and `X-Forwarded-Uri`, which is the
/// requested path and query.
#[derive(Debug)]
pub struct ForwardAuth {
    endpoint: Endpoint,
    settings: ForwardAuthSettings,
    failures: Throttle<Failures>,
}

/// The settings for requests to an endpoint.
#[derive(Clone, Debug)]
pub struct ForwardAuthSettings {
    /// Further fields of the client that are sent to the endpoint.
    pub send: Vec<HeaderName>,
    /// Fields of the response that are kept for the client, as `{auth.field.NAME}`.
    pub pass: Vec<HeaderName>,
    /// The field of the response that contains the user's name; `None` for none.
    pub user: Option<HeaderName>,
    /// The time until the head of the response must arrive. 5 seconds by default.
    pub timeout: Duration,
}

/// The longest body that is forwarded to the client, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The longest time between the head and the end of a body.
const PATIENCE: Duration = Duration::from_secs(2);

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
    /// The URL is not that of a web server.
    pub fn new(
        url: &str,
        settings: ForwardAuthSettings,
        upstream: UpstreamSettings,
    ) -> Result<Self, UrlError> {
        Ok(Self {
            endpoint: Endpoint::new(url, upstream)?,
            settings,
            failures: Throttle::new(|failures: Failures| {
                let times = failures.times();
                warn!(
                    error = failures.last,
                    times, "the authorization endpoint failed"
                );
            }),
        })
    }

    async fn ask(&self, visitor: Visitor<'_>) -> Result<Admitted, Rejection> {
        let question = Question::about(visitor, &self.settings.send);
        let asked = self.endpoint.ask(&question);
        let failed = match timeout(self.settings.timeout, asked).await {
            Ok(Ok(answer)) if answer.status().is_success() => return Ok(self.admitted(&answer)),
            Ok(Ok(answer)) if matches!(answer.status().as_u16(), 300..=303 | 305..=599) => {
                return Err(rejection(answer).await);
            }
            Ok(Ok(answer)) => format!("the endpoint answered {}", answer.status()),
            Ok(Err(failed)) => failed.error.to_string(),
            Err(_) => "the endpoint did not answer in time".to_owned(),
        };
        self.failures.note(|failures| failures.add(&failed));
        Err(Rejection::unavailable("the authorization endpoint failed"))
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

/// Turns the endpoint's response into the refusal for the client.
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
    let text = Rejection::new(status, "not authorized");
    match body {
        Some(body) => {
            let body = body.to_bytes();
            let mut fields = fields;
            if !body.is_empty() && !fields.has("content-type") {
                // RFC 9110 §8.3: a recipient may assume this type for a body without one.
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
