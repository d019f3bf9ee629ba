//! The web app whose requests are held, and requests to it.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response};
use url::{Position, Url};

use super::fields::{Instruct, Subscribe};
use super::last_ids::LastIds;
use crate::apps::Proxy;
use crate::apps::grip::events::MEDIA_TYPE;
use crate::broadcast::Queue;
use crate::http::{Body, append};
use crate::push::{Channels, GripKey};
use crate::transport::Peer;
use crate::upstream::{HttpUpstream, UpstreamError};

/// The supported features of GRIP, for the field `Grip-Feature`.
const FEATURES: HeaderValue = HeaderValue::from_static("status, link:next, filter:skip-self");

/// The field with the last ids that a client has received.
const LAST: HeaderName = HeaderName::from_static("grip-last");

/// A web app, and the state for holding its requests. Clones share the channels and the last ids.
#[derive(Clone, Debug)]
pub(super) struct WebApp {
    pub(super) upstream: HttpUpstream,
    pub(super) proxy: Proxy,
    pub(super) key: Option<GripKey>,
    pub(super) channels: Channels,
    pub(super) queue: Queue,
    pub(super) last_ids: Arc<LastIds>,
}

/// The target, host and peer of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestTarget {
    target: PathAndQuery,
    host: Option<HeaderValue>,
    peer: Arc<Peer>,
}

/// The reason why a next link cannot be loaded.
#[derive(Debug)]
pub(super) enum NotFollowed {
    /// A failure that may be temporary: a retry makes sense.
    Now(UpstreamError),
    /// A permanent failure: the link or the response is invalid.
    Never(UpstreamError),
}

impl RequestTarget {
    pub(super) fn of(request: &Request<Body>) -> Self {
        let target = request.uri().path_and_query().cloned();
        let authority = request.uri().authority();
        let authority = authority.and_then(|host| HeaderValue::try_from(host.as_str()).ok());
        let peer = request.extensions().get::<Arc<Peer>>();
        Self {
            target: target.unwrap_or_else(|| PathAndQuery::from_static("/")),
            host: authority.or_else(|| request.headers().get(HOST).cloned()),
            peer: peer.map_or_else(Arc::default, Arc::clone),
        }
    }

    /// Resolves a link in the response to this request.
    fn linked(&self, link: &str) -> Result<PathAndQuery, UpstreamError> {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok());
        let base = Url::parse(&format!("http://{}", host.unwrap_or("localhost")));
        let base = base.and_then(|base| base.join(self.target.as_str()));
        let linked = base.as_ref().ok().and_then(|base| base.join(link).ok());
        let (Ok(base), Some(linked)) = (base, linked) else {
            return Err(UpstreamError::BadAnswer("its Grip-Link has no valid URL"));
        };
        if (linked.host(), linked.port()) != (base.host(), base.port()) {
            let elsewhere = "its Grip-Link leads to another host";
            return Err(UpstreamError::BadAnswer(elsewhere));
        }
        let target = &linked[Position::BeforePath..Position::AfterQuery];
        PathAndQuery::try_from(target).map_err(|_| UpstreamError::Path)
    }
}

impl WebApp {
    /// Replaces the `Grip-` fields of a client by our own, with the signature.
    pub(super) fn sign(&self, headers: &mut HeaderMap) {
        let is_ours = |name: &HeaderName| name.as_str().starts_with("grip-");
        while let Some(name) = headers.keys().find(|name| is_ours(name)).cloned() {
            headers.remove(name);
        }
        headers.insert(HeaderName::from_static("grip-feature"), FEATURES);
        let signature = self.key.as_ref().and_then(GripKey::signature);
        let signature = signature.and_then(|signature| HeaderValue::try_from(&*signature).ok());
        if let Some(signature) = signature {
            headers.insert(HeaderName::from_static("grip-sig"), signature);
        }
    }

    /// Requests the next link of a stream.
    pub(super) async fn follow(
        &self,
        link: &str,
        from: &RequestTarget,
        channels: &[Subscribe],
    ) -> Result<(RequestTarget, Instruct, Body), NotFollowed> {
        let target = from.linked(link).map_err(NotFollowed::Never)?;
        let mut request = Request::new(Body::from(Bytes::new()));
        *request.uri_mut() = target.clone().into();
        let headers = request.headers_mut();
        headers.extend(from.host.clone().map(|host| (HOST, host)));
        self.sign(headers);
        tell_last(headers, channels);
        request.extensions_mut().insert(Arc::clone(&from.peer));
        let answer = self.upstream.send(request).await;
        let answer = answer.map_err(|failed| NotFollowed::Now(failed.error))?;
        let (mut head, body) = answer.into_parts();
        if !head.status.is_success() {
            let problem = "the status of its answer for a Grip-Link is not 2xx";
            return Err(NotFollowed::Now(UpstreamError::BadAnswer(problem)));
        }
        let never = |problem| NotFollowed::Never(UpstreamError::BadAnswer(problem));
        let instruct = Instruct::take(&mut head.headers).map_err(never)?;
        is_plain(&head.headers).map_err(never)?;
        let asked = RequestTarget {
            target,
            ..from.clone()
        };
        Ok((asked, instruct.unwrap_or_default(), body))
    }

    /// Returns the response for a client whose web app has sent an invalid response.
    pub(super) fn misread(&self, problem: &'static str) -> Response<Body> {
        self.proxy.misread(problem)
    }
}

/// Adds the last ids that the client has received of each channel, if they are known.
pub(super) fn tell_last(headers: &mut HeaderMap, channels: &[Subscribe]) {
    headers.remove(LAST);
    for Subscribe { name, prev_id, .. } in channels {
        if let Some(prev_id) = prev_id {
            let last = format!("{name}; last-id={prev_id}");
            append(headers, LAST.as_str().as_bytes(), last.as_bytes());
        }
    }
}

/// Checks that a body has no content coding, so that publications can be appended.
pub(super) fn is_plain(headers: &HeaderMap) -> Result<(), &'static str> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => Err("its held stream has a Content-Encoding"),
        _ => Ok(()),
    }
}

/// Whether a client pretends to be a gateway, since only gateways send events.
pub(super) fn claims_gateway(headers: &HeaderMap) -> bool {
    let media_types = [CONTENT_TYPE, ACCEPT].map(|name| headers.get_all(name));
    let mut values = media_types.iter().flatten();
    values.any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        let len = MEDIA_TYPE.len();
        value.windows(len).any(|part| part == MEDIA_TYPE.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_same_web_app() {
        let mut request = Request::new(Body::from(Bytes::new()));
        *request.uri_mut() = "/a/b?c=d".parse().unwrap();
        let host = HeaderValue::from_static("example.com:8080");
        request.headers_mut().insert(HOST, host);
        let asked = RequestTarget::of(&request);
        for (link, target) in [
            ("/x?y=z", "/x?y=z"),
            ("e", "/a/e"),
            ("?after=5", "/a/b?after=5"),
            ("http://example.com:8080/x", "/x"),
            ("//EXAMPLE.com:8080/x#y", "/x"),
        ] {
            assert_eq!(asked.linked(link).unwrap(), target, "{link}");
        }
        for elsewhere in [
            "http://example.com/x",
            "http://other.com:8080/",
            "mailto:x",
            "http://[",
        ] {
            let error = asked.linked(elsewhere).unwrap_err().to_string();
            assert!(error.contains("Grip-Link"), "{elsewhere}: {error}");
        }
    }

    #[test]
    fn a_client_that_sends_or_accepts_events_claims_to_be_a_gateway() {
        for (name, value, pretends) in [
            (CONTENT_TYPE, "application/websocket-events", true),
            (
                CONTENT_TYPE,
                "text/plain, Application/WebSocket-Events; a=b",
                true,
            ),
            (ACCEPT, "*/*, application/websocket-events", true),
            (CONTENT_TYPE, "application/json", false),
            (ACCEPT, "text/event-stream", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(claims_gateway(&headers), pretends, "{value}");
        }
    }
}
