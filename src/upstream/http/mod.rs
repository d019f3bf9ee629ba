//! A web server: `http://HOST:PORT`, or `https://HOST:PORT`.

mod answer;
mod not_answered;
mod pool;
mod requester;
mod retry;
mod upload;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use bytestring::ByteString;
use futures_core::future::BoxFuture;
use hyper::body::Body as _;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Request, Response, Version};
use polysock_protocols::hide_secrets;

use self::answer::{Answer, Used};
pub use self::not_answered::NotAnswered;
use self::pool::{Pool, Pooled};
use self::requester::Requester;
use self::retry::{Retry, again};
use self::upload::{Progress, Upload};
use super::connector::Connector;
use super::forwarding::{HostSent, RequestOrigin};
use super::location::{Location, problem_of, strip_scheme};
use super::target::joined;
use super::{
    Client, Connected, Rewrite, Upstream, UpstreamError, UpstreamSettings, UrlError,
    WebSocketUpstream,
};
use crate::http::{Body, is_coded_otherwise, keep_end_to_end};
use crate::transport::{Alpn, Peer};

/// A web server to which ordinary requests are proxied. Connections are kept and reused, each by
/// the thread that opened it. As an [`Upstream`], it is a WebSocket server of RFC 6455 at the same
/// address.
///
/// Clones share the connections.
#[derive(Clone)]
pub struct HttpUpstream {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    /// The URL with its secrets hidden, for the log.
    shown: Arc<str>,
    /// The value of the `Host` field; `None` for the client's.
    host: Option<HeaderValue>,
    /// The path and query of the URL; `None` if it has neither.
    target: Option<ByteString>,
    /// The `Authorization` field for the user in the URL.
    authorization: Option<HeaderValue>,
    /// Whether requests come from Polysock itself rather than from a client.
    is_asked_by_us: bool,
    settings: UpstreamSettings,
    pool: Pool,
    websockets: WebSocketUpstream,
}

impl HttpUpstream {
    /// Reads `http://HOST[:PORT][/PATH]`, or `https://…`. A user and a password before the host
    /// become an `Authorization` field. A path that ends in `/` is put before the client's path,
    /// any other replaces it. The client's query is always appended.
    ///
    /// # Errors
    ///
    /// The scheme is another, the host is missing, or the URL contains blanks, control characters
    /// or a fragment.
    pub fn parse(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        Self::read(url, settings, false)
    }

    /// Reads the same for a server to which only Polysock itself sends requests. They are sent
    /// without fields that describe a client.
    ///
    /// # Errors
    ///
    /// The same as for [`parse`](Self::parse).
    pub fn asked_by_us(url: &str, settings: UpstreamSettings) -> Result<Self, UrlError> {
        Self::read(url, settings, true)
    }

    fn read(url: &str, settings: UpstreamSettings, is_asked_by_us: bool) -> Result<Self, UrlError> {
        let schemes = [("http://", "ws"), ("https://", "wss")];
        let mut schemes = schemes.into_iter();
        let of_websockets =
            schemes.find_map(|(scheme, other)| Some((other, strip_scheme(scheme, url)?)));
        let (scheme, rest) =
            of_websockets.ok_or_else(|| UrlError::Scheme(hide_secrets(url).into_owned()))?;
        let location = Location::read(url, rest, scheme == "wss")?;
        let authorization = location.authorization();
        let authorization = authorization.map_err(|problem| problem_of(url, problem))?;
        let value = |text: &str| {
            let value = HeaderValue::from_str(text);
            value.map_err(|_| problem_of(url, "the host is not valid in a header field"))
        };
        let host = match &settings.forward.host {
            HostSent::Target => Some(value(&location.host())?),
            HostSent::Client => None,
            HostSent::Named(host) => Some(value(host)?),
        };
        // A connection with a PROXY header belongs to one client and cannot be shared.
        let kept = match settings.proxy_protocol {
            Some(_) => 0,
            None => settings.idle_connections,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                connector: Connector::new(url, &location, &settings, Alpn::Http)?,
                shown: hide_secrets(url).into(),
                host,
                target: location.target(),
                authorization: authorization.as_deref().map(value).transpose()?,
                is_asked_by_us,
                pool: Pool::new(kept, settings.idle_timeout),
                websockets: WebSocketUpstream::parse(
                    &format!("{scheme}://{rest}"),
                    settings.clone(),
                )?,
                settings,
            }),
        })
    }

    /// Proxies a request, and returns the answer as soon as its head is received. Bodies and
    /// trailers are streamed in both directions, no faster than they are read. The extensions of
    /// the request contain the [`Peer`] that sent it, as an `Arc`.
    ///
    /// A kept connection that the server has closed meanwhile is replaced by a new one if the
    /// request can be sent again (RFC 9110 §9.2.2).
    ///
    /// # Errors
    ///
    /// The server is unreachable, does not answer in time, or its answer is invalid.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, or the body of the answer, cancels the request.
    pub fn send(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, NotAnswered>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let requester = Requester::of(&request);
            let target = shared.target(request.uri(), &requester.peer)?;
            let Some(mut connection) = shared.pool.take(shared.connector.tls_number()) else {
                // Boxed: few requests need a new connection, and the memory for opening it.
                return Box::pin(shared.send_first(request, target, &requester)).await;
            };
            let (request, progress) = shared.prepared(request, target, &requester.peer);
            let retry = Retry::of(&request);
            let answer = pin!(connection.sender.try_send_request(request));
            let wait = shared.settings.answer_timeout;
            let answered = progress.answered(answer, wait, &mut connection.alarm);
            let again = match answered.await? {
                Ok(answer) => return Ok(shared.finished(answer, connection, progress, &requester)?),
                Err(failed) => {
                    again(failed, retry).map_err(|error| shared.connector.as_tls_error(error))?
                }
            };
            Box::pin(shared.send_anew(again, progress, &requester)).await
        }
    }
}

impl Shared {
    async fn connect(&self, peer: &Peer) -> Result<Pooled, UpstreamError> {
        let tls = self.connector.tls_number();
        let connecting = self.connector.connect(Some(peer));
        let transport = self.settings.in_time(connecting).await?;
        Pooled::open(transport, tls, &self.settings).await
    }

    /// Sends a request over a new connection. If connecting fails, the request is returned
    /// unchanged.
    async fn send_first(
        &self,
        request: Request<Body>,
        target: Uri,
        requester: &Requester,
    ) -> Result<Response<Body>, NotAnswered> {
        let connection = match self.connect(&requester.peer).await {
            Ok(connection) => connection,
            Err(error) => {
                let request = Some(Box::new(request));
                return Err(NotAnswered { error, request });
            }
        };
        let (request, progress) = self.prepared(request, target, &requester.peer);
        self.send_over(connection, request, progress, requester)
            .await
    }

    /// Sends a request over a new connection after a kept connection gave no answer.
    async fn send_anew(
        &self,
        request: Request<Upload>,
        progress: Progress,
        requester: &Requester,
    ) -> Result<Response<Body>, NotAnswered> {
        let connection = self.connect(&requester.peer).await?;
        self.send_over(connection, request, progress, requester)
            .await
    }

    async fn send_over(
        &self,
        mut connection: Pooled,
        request: Request<Upload>,
        progress: Progress,
        requester: &Requester,
    ) -> Result<Response<Body>, NotAnswered> {
        let answer = pin!(connection.sender.try_send_request(request));
        let wait = self.settings.answer_timeout;
        let answered = progress.answered(answer, wait, &mut connection.alarm);
        match answered.await? {
            Ok(answer) => Ok(self.finished(answer, connection, progress, requester)?),
            Err(failed) => {
                let error = UpstreamError::Http(failed.into_error());
                Err(self.connector.as_tls_error(error).into())
            }
        }
    }

    /// Returns the request for the server, and the progress of its body.
    fn prepared(
        &self,
        request: Request<Body>,
        target: Uri,
        peer: &Peer,
    ) -> (Request<Upload>, Progress) {
        let (mut head, body) = request.into_parts();
        head.extensions.clear();
        keep_end_to_end(&mut head.headers);
        let asked = head.uri.authority().map(|host| host.as_str().as_bytes());
        let asked = asked.and_then(|host| HeaderValue::from_bytes(host).ok());
        // RFC 9112 §3.2.2: the host in the target takes precedence over `Host`.
        let asked = asked.or_else(|| head.headers.get(HOST).cloned());
        head.uri = target;
        let host = asked.as_ref().and_then(|host| host.to_str().ok());
        let asking = RequestOrigin {
            peer,
            secure: peer.secure,
            host,
        };
        if !self.is_asked_by_us {
            self.settings
                .forward
                .rewrite_fields(&mut head.headers, asking);
        }
        let own = HeaderValue::from_static("");
        let host = self.host.clone().or(asked).unwrap_or(own);
        head.headers.insert(HOST, host);
        if let Some(authorization) = &self.authorization {
            head.headers.insert(AUTHORIZATION, authorization.clone());
        }
        if head.version == Version::HTTP_2 {
            join_cookies(&mut head.headers);
        }
        head.version = Version::HTTP_11;
        let waits = head.headers.contains_key(EXPECT) && !body.is_end_stream();
        let (body, progress) = Upload::new(body, waits);
        let mut request = Request::from_parts(head, body);
        if waits {
            progress.watch(&mut request);
        }
        (request, progress)
    }

    /// Returns the target for the server, in origin-form (RFC 9112 §3.2.1).
    fn target(&self, uri: &Uri, peer: &Peer) -> Result<Uri, UpstreamError> {
        let root = PathAndQuery::from_static("/");
        let theirs = uri.path_and_query().unwrap_or(&root);
        if self.target.is_none() && self.settings.forward.rewrite == Rewrite::default() {
            return Ok(theirs.clone().into());
        }
        let theirs = self
            .settings
            .forward
            .target(&theirs.as_str().into(), peer)?;
        let joined = joined(self.target.as_ref(), theirs)?;
        // This does not fail: both parts come from a valid URL or request.
        let target = PathAndQuery::try_from(&*joined).map_err(|_| UpstreamError::Path)?;
        Ok(target.into())
    }

    /// Returns the answer for the client.
    fn finished(
        &self,
        answer: Response<hyper::body::Incoming>,
        mut connection: Pooled,
        request: Progress,
        requester: &Requester,
    ) -> Result<Response<Body>, UpstreamError> {
        if let Some(answered_by) = &requester.answered_by {
            answered_by.note(&self.shown);
        }
        let (mut head, body) = answer.into_parts();
        if head.status.is_informational() {
            // RFC 9110 §15.2.2: the request did not ask for an upgrade.
            return Err(UpstreamError::BadAnswer(
                "the answer is an upgrade, which was not requested",
            ));
        }
        if head.headers.contains_key(TRANSFER_ENCODING) {
            if is_coded_otherwise(&head.headers) {
                return Err(UpstreamError::BadAnswer(
                    "the answer has an unknown transfer coding",
                ));
            }
            // RFC 9112 §6.3: the transfer coding overrides the length.
            head.headers.remove(CONTENT_LENGTH);
        }
        connection.note_kept(&head.headers);
        keep_end_to_end(&mut head.headers);
        self.settings
            .forward
            .response
            .apply(&mut head.headers, None);
        head.version = Version::HTTP_11;
        head.extensions.clear();
        let used = Used {
            connection,
            pool: self.pool,
            request,
        };
        let body = Answer::take(body, used, self.settings.body_timeout);
        Ok(Response::from_parts(head, body))
    }
}

/// Joins the `Cookie` fields. HTTP/2 allows several, HTTP/1.1 does not (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let Some((first, second)) = crumbs.next().zip(crumbs.next()) else {
        return;
    };
    let all = [first, second].into_iter().chain(crumbs);
    let all: Vec<_> = all.map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

impl Upstream for HttpUpstream {
    fn connect<'a>(
        &'a self,
        client: Client<'a>,
    ) -> BoxFuture<'a, Result<Connected, UpstreamError>> {
        self.shared.websockets.connect(client)
    }
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpUpstream")
            .field(&self.shared.connector)
            .finish()
    }
}
