//! The connection to a collector of traces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use polysock::upstream::{HttpUpstream, UpstreamSettings, UrlError};
use polysock::{Body, BoxError};
use tokio::time::timeout;

/// The timeout of a request.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes. It contains the number of rejected spans.
const MAX_ANSWER: usize = 64 << 10;

/// Checks the URL of a collector.
///
/// # Errors
///
/// The URL is not that of a web server.
pub(crate) fn parse_collector(url: &str) -> Result<String, String> {
    match Collector::new(url) {
        Ok(_) if !url.contains('?') => Ok(url.to_owned()),
        _ => Err("write http://HOST:4318, or https://HOST[:PORT][/PATH]".to_owned()),
    }
}

/// A collector. Clones share their state.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    server: HttpUpstream,
    /// The last error, which the exporter does not report.
    problem: Arc<Mutex<Option<String>>>,
}

impl Collector {
    /// Creates a collector that receives spans at this URL.
    pub(super) fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            server: HttpUpstream::asked_by_us(url, UpstreamSettings::default())?,
            problem: Arc::default(),
        })
    }

    /// Takes the last error.
    pub(super) fn take_problem(&self) -> Option<String> {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.take()
    }

    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let answer = self.server.send(request.map(Body::from)).await;
        let (head, body) = answer.map_err(|failed| failed.error)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = timeout(PATIENCE, self.ask(request)).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
        answer.inspect_err(|error| {
            let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            *problem = Some(error.to_string());
        })
    }
}
