//! A service for the files of a folder.

mod body;
mod conditions;
mod folder;
mod range;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, SERVER, VARY,
};
use hyper::{Method, Request, Response, StatusCode};
use tracing::warn;

use self::body::read;
use self::conditions::{Precondition, Validators};
use self::folder::{Folder, Found};
use self::range::{Range, Ranged};
use crate::http::{Body, Service};
use crate::telemetry::{Failures, Throttle};

/// Serves the files of a folder, with their types, validators (RFC 9110 §8.8) and ranges (§14). A
/// compressed form of a file is served if it is next to the file, as `page.html.gz` or `.br`. A
/// folder is served as its `index.html`; there are no listings.
///
/// No request reaches a file outside the folder, even by a symbolic link, nor a name that begins
/// with a dot, except `.well-known` (RFC 8615). Blocking threads read the files, a piece at a time.
#[derive(Clone, Debug)]
pub struct Files {
    folder: Arc<Folder>,
    prefix: Arc<str>,
    failures: Throttle<Failures>,
}

impl Files {
    /// Serves the files of this folder, which is resolved again for each request.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Arc::new(Folder::new(folder.into())),
            prefix: "".into(),
            failures: Throttle::new(|failures: Failures| {
                let times = failures.times();
                warn!(error = failures.last, times, "file not served");
            }),
        }
    }

    /// Removes a prefix from request paths, such as `/files`, before the look-up.
    #[must_use]
    pub fn strip_prefix(self, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/').into();
        Self { prefix, ..self }
    }

    /// Answers a request; blocks.
    fn answer(&self, asked: &RequestParts) -> Response<Body> {
        let found = match self.stripped(&asked.path) {
            Some(path) => self.folder.find(path, &encodings(&asked.headers)),
            None => Ok(Found::Nothing),
        };
        match found {
            Ok(Found::File(found)) => respond(asked, found),
            Ok(Found::FolderWithoutSlash) => moved(asked),
            Ok(Found::Nothing) => text(StatusCode::NOT_FOUND, "there is no such file\n"),
            Err(error) => {
                self.failures.note(|failures| failures.add(&error));
                let failed = "the file cannot be read\n";
                text(StatusCode::INTERNAL_SERVER_ERROR, failed)
            }
        }
    }

    /// Returns the path after the prefix; `None` if the path does not begin with the prefix.
    fn stripped<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() {
            return Some(path);
        }
        let rest = path.strip_prefix('/')?.strip_prefix(&*self.prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

impl Service for Files {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let is_head = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                let allow = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(ALLOW, allow);
                return Box::pin(std::future::ready(response));
            }
        };
        let files = self.clone();
        let asked = RequestParts {
            is_head,
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers: request.into_parts().0.headers,
        };
        Box::pin(async move {
            let answered = tokio::task::spawn_blocking(move || files.answer(&asked)).await;
            answered.unwrap_or_else(|_| {
                text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the server is shutting down\n",
                )
            })
        })
    }
}

/// The parts of a request that matter here.
struct RequestParts {
    is_head: bool,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

/// An open file, and its metadata.
pub(super) struct Served {
    file: File,
    len: u64,
    modified: Option<SystemTime>,
    kind: HeaderValue,
    /// The content encoding; `None` if the file is not compressed.
    encoding: Option<&'static str>,
    /// Whether the file exists in several encodings.
    varies: bool,
}

fn respond(asked: &RequestParts, found: Served) -> Response<Body> {
    let validators = Validators::of(&found);
    let mut response = Response::new(Body::from(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("polysock"));
    validators.put(headers);
    if found.varies {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    match validators.check(&asked.headers) {
        Precondition::Yes => {}
        Precondition::NotModified => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        Precondition::No => {
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            return response;
        }
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let ranged = if asked.is_head || !validators.allow_range(&asked.headers) {
        Ranged::Whole
    } else {
        Ranged::of(&asked.headers, found.len)
    };
    let Range { start, end } = match ranged {
        Ranged::Whole => Range {
            start: 0,
            end: found.len,
        },
        Ranged::Part(range) => {
            let part = format!("bytes {}-{}/{}", range.start, range.end - 1, found.len);
            put(headers, CONTENT_RANGE, &part);
            range
        }
        Ranged::Nothing => {
            put(headers, CONTENT_RANGE, &format!("bytes */{}", found.len));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
    };
    headers.insert(CONTENT_TYPE, found.kind);
    if let Some(encoding) = found.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(CONTENT_LENGTH, (end - start).into());
    if matches!(ranged, Ranged::Part(_)) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if !asked.is_head {
        *response.body_mut() = read(found.file, start, end);
    }
    response
}

/// Redirects a client to the folder with a slash, because its pages use relative links.
fn moved(asked: &RequestParts) -> Response<Body> {
    // Relative, because a prefix may have been removed in front, and so that `//host` is never
    // written.
    let name = asked.path.rsplit('/').next().unwrap_or_default();
    let query = asked.query.as_deref();
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let mut response = text(StatusCode::MOVED_PERMANENTLY, "this is a folder\n");
    put(
        response.headers_mut(),
        LOCATION,
        &format!("./{name}/{query}"),
    );
    response
}

/// Returns the encodings that the client accepts, best first.
fn encodings(headers: &HeaderMap) -> Vec<&'static str> {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    let takes = |encoding: &&'static str| {
        let mut listed = lines.iter().flat_map(|line| line.split(','));
        listed.any(|element| {
            let mut parts = element.split(';').map(str::trim);
            let is_it = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
            // RFC 9110 §12.4.2: weight 0 means "not acceptable".
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            is_it && weight.is_none_or(|weight| weight.parse() != Ok(0.0))
        })
    };
    ["br", "gzip"].into_iter().filter(takes).collect()
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
        .headers_mut()
        .insert(SERVER, HeaderValue::from_static("polysock"));
    response
}

/// Sets a field; a value that is not valid in a field is omitted.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
