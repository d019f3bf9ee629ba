//! A request that waits for the next publication, which becomes its response.

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::response::Parts;
use hyper::{Response, StatusCode};
use tokio::time::sleep;

use super::fields::Instruct;
use super::inbox::{Inbox, Payload};
use super::last_ids::LastIds;
use crate::connection::ShutdownSignal;
use crate::http::Body;
use crate::push::HeldAnswer;

/// The outcome of the wait.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The published response.
    Answer(HeldAnswer),
    /// The web app's own response.
    Original,
    /// The web app is to be asked again, because it has newer data. `is_crowd` is true if all
    /// requests on the channel have missed a publication: they must not all ask at the same time.
    Again { is_crowd: bool },
}

/// Waits for a publication, until the timeout of the web app or until the port closes.
pub(super) async fn wait(
    instruct: &mut Instruct,
    inbox: &Inbox,
    last_ids: &LastIds,
    shutdown: &ShutdownSignal,
) -> Outcome {
    if last_ids.contradict(&instruct.channels) {
        return Outcome::Again { is_crowd: false };
    }
    let mut late = Box::pin(sleep(instruct.timeout));
    let mut closing = Box::pin(shutdown.requested());
    loop {
        let came = tokio::select! {
            biased;
            came = inbox.next() => came,
            () = &mut late => return Outcome::Original,
            _ = &mut closing => return Outcome::Original,
        };
        let Ok(came) = came else {
            return Outcome::Original;
        };
        let mut channels = instruct.channels.iter_mut();
        let Some(channel) = channels.find(|channel| *channel.name == *came.channel) else {
            continue;
        };
        if channel.prev_id.is_some() {
            if channel.prev_id != came.prev_id {
                last_ids.forget(&came.channel);
                return Outcome::Again { is_crowd: true };
            }
            channel.prev_id = came.id;
        }
        match came.what {
            Payload::Answer(answer) => return Outcome::Answer(answer),
            Payload::Hint => return Outcome::Again { is_crowd: false },
            Payload::Nothing | Payload::Content(_) | Payload::Close => {}
        }
    }
}

/// Builds the published response. Fields that it does not set are the web app's.
pub(super) fn published(mut head: Parts, answer: HeldAnswer) -> Response<Body> {
    let HeldAnswer {
        status,
        reason,
        fields,
        body,
    } = answer;
    head.status = StatusCode::from_u16(status).unwrap_or(head.status);
    head.extensions.clear();
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.into_bytes()).ok());
    if let Some(reason) = reason {
        head.extensions.insert(reason);
    }
    // These fields describe the web app's own body.
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE] {
        head.headers.remove(name);
    }
    let fields = fields.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name).ok().filter(is_theirs)?;
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    let fields: Vec<_> = fields.collect();
    for (name, _) in &fields {
        head.headers.remove(name);
    }
    for (name, value) in fields {
        head.headers.append(name, value);
    }
    Response::from_parts(head, Body::from(body))
}

/// Whether a publication may set a field; framing and connection fields are ours.
fn is_theirs(name: &HeaderName) -> bool {
    let framing = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];
    !framing.contains(name)
        && !["keep-alive", "proxy-connection"].contains(&name.as_str())
        && !name.as_str().starts_with("grip-")
}

/// Builds the web app's own response.
pub(super) fn original(mut head: Parts, body: Bytes) -> Response<Body> {
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_answer_inherits_fields_that_it_does_not_set() {
        let (mut head, ()) = Response::new(()).into_parts();
        for (name, value) in [
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "text/plain"),
            ("set-cookie", "a=b"),
            ("x-a", "1"),
        ] {
            let name = HeaderName::from_static(name);
            head.headers.append(name, HeaderValue::from_static(value));
        }
        let fields = [
            ("Content-Type", "application/json"),
            ("X-A", "2"),
            ("x-a", "3"),
            ("Content-Length", "1"),
            ("Transfer-Encoding", "chunked"),
            ("Grip-Hold", "stream"),
            ("not a field", "x"),
            ("x-b", "a\r\nb"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let answer = published(
            head,
            HeldAnswer {
                status: 201,
                reason: Some("Made".to_owned()),
                fields: fields.into_iter().map(owned).collect(),
                body: Bytes::from_static(b"hi"),
            },
        );
        assert_eq!(answer.status(), StatusCode::CREATED);
        let reason = answer.extensions().get::<ReasonPhrase>();
        assert_eq!(reason.unwrap().as_bytes(), b"Made");
        let fields = answer.headers().iter();
        let fields = fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut fields: Vec<_> = fields.collect();
        fields.sort();
        let expected = [
            "content-type: application/json",
            "set-cookie: a=b",
            "x-a: 2",
            "x-a: 3",
        ];
        assert_eq!(fields, expected);
    }
}
