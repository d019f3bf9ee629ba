//! The instructions of a web app in the body of its response: `application/grip-instruct`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};

use super::fields::{Instruct, KeepAlive, Mode, SHORTEST, Subscribe, WAIT};
use crate::apps::publisher::answer;
use crate::push::HeldAnswer;

/// The media type of instructions.
const MEDIA_TYPE: &str = "application/grip-instruct";

/// Whether a response body contains instructions.
pub(super) fn is_instruct(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

/// Reads a body: the instructions, and the response for the client.
pub(super) fn read(body: &[u8]) -> Result<(Instruct, HeldAnswer), &'static str> {
    let instruct: Value =
        serde_json::from_slice(body).map_err(|_| "its application/grip-instruct is not JSON")?;
    let of = |name: &str| match instruct.get(name) {
        None => Ok(None),
        Some(value) => value.as_object().map(Some).ok_or(()),
    };
    let hold =
        of("hold").map_err(|()| "the hold of its application/grip-instruct is not an object")?;
    let response = of("response").ok().flatten().cloned();
    let mut response = response.unwrap_or_default();
    if !["body", "body-bin"]
        .iter()
        .any(|name| response.contains_key(*name))
    {
        response.insert("body".to_owned(), Value::from(""));
    }
    let answer = answer(&response);
    let answer =
        answer.map_err(|_| "the response of its application/grip-instruct is not valid")?;
    let instruct = hold.map(held).transpose()?.unwrap_or_default();
    Ok((instruct, answer))
}

fn held(hold: &Map<String, Value>) -> Result<Instruct, &'static str> {
    let mode = match hold.get("mode").map(Value::as_str) {
        None | Some(Some("response")) => Mode::Response,
        Some(Some("stream")) => Mode::Stream,
        Some(_) => return Err("the mode of its hold is neither `stream` nor `response`"),
    };
    let user = hold.get("meta").and_then(|meta| meta.get("user"));
    let user = user.and_then(Value::as_str);
    let channels = hold.get("channels").and_then(Value::as_array);
    let channels = channels.into_iter().flatten();
    let channels = channels.map(|one| {
        let filters = one.get("filters").and_then(Value::as_array);
        let skips_self = filters.is_some_and(|filters| filters.contains(&"skip-self".into()));
        let text = |name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Subscribe {
            name: text("name").ok_or("a channel of its hold has no name")?,
            prev_id: text("prev-id"),
            is_not: user.filter(|_| skips_self).map(str::to_owned),
        })
    });
    let timeout = seconds(hold, "the timeout of its hold is not a number of seconds")?;
    let keep_alive = hold.get("keep-alive").and_then(Value::as_object);
    let instruct = Instruct {
        mode: Some(mode),
        channels: channels.collect::<Result<_, &'static str>>()?,
        timeout,
        keep_alive: keep_alive.map(kept).transpose()?,
        ..Instruct::default()
    };
    instruct.checked()
}

fn kept(keep_alive: &Map<String, Value>) -> Result<KeepAlive, &'static str> {
    let text = |name: &str| keep_alive.get(name).and_then(Value::as_str);
    let content = match (text("content-bin"), text("content")) {
        (Some(encoded), _) => STANDARD.decode(encoded).ok().map(Bytes::from),
        (None, content) => content.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    };
    let content = content.filter(|content| !content.is_empty());
    Ok(KeepAlive {
        content: content.ok_or("the keep-alive of its hold has no content")?,
        timeout: seconds(
            keep_alive,
            "the timeout of its hold's keep-alive is not valid",
        )?,
        is_interval: text("mode") == Some("interval"),
    })
}

fn seconds(of: &Map<String, Value>, problem: &'static str) -> Result<Duration, &'static str> {
    let Some(timeout) = of.get("timeout") else {
        return Ok(WAIT);
    };
    let seconds = timeout
        .as_u64()
        .and_then(|seconds| u32::try_from(seconds).ok());
    let seconds = seconds.ok_or(problem)?;
    Ok(Duration::from_secs(seconds.into()).max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Result<(Instruct, HeldAnswer), &'static str> {
        read(value.to_string().as_bytes())
    }

    #[test]
    fn valid_hold_instructions_are_read() {
        // As gripcontrol writes it.
        let (instruct, answer) = of(&json!({
            "hold": {
                "mode": "stream", "timeout": 7, "meta": { "user": "ann" },
                "channels": [{ "name": "a" }, { "name": "b", "filters": ["skip-self"] }],
                "keep-alive": { "content": "\n", "timeout": 20, "mode": "interval" },
            },
            "response": { "code": 202, "headers": { "A": "b" }, "body": "hi" },
        }))
        .unwrap();
        let subscribe = |name: &str, is_not: Option<&str>| Subscribe {
            name: name.to_owned(),
            prev_id: None,
            is_not: is_not.map(str::to_owned),
        };
        let expected = Instruct {
            mode: Some(Mode::Stream),
            channels: vec![subscribe("a", None), subscribe("b", Some("ann"))],
            timeout: Duration::from_secs(7),
            keep_alive: Some(KeepAlive {
                content: Bytes::from_static(b"\n"),
                timeout: Duration::from_secs(20),
                is_interval: true,
            }),
            ..Instruct::default()
        };
        assert_eq!(instruct, expected);
        assert_eq!((answer.status, &*answer.body), (202, &b"hi"[..]));
        assert_eq!(answer.fields, [("A".to_owned(), "b".to_owned())]);
        let channels = json!([{ "name": "a", "prev-id": "1" }]);
        let (instruct, answer) = of(&json!({ "hold": { "channels": channels } })).unwrap();
        assert_eq!(instruct.mode, Some(Mode::Response));
        assert_eq!(instruct.timeout, WAIT);
        let prev_ids: Vec<_> = instruct.channels.iter().map(|one| &one.prev_id).collect();
        assert_eq!(prev_ids, [&Some("1".to_owned())]);
        assert_eq!((answer.status, &*answer.body), (200, &b""[..]));
        let (instruct, _) = of(&json!({ "response": {} })).unwrap();
        assert_eq!(instruct.mode, None);
    }

    #[test]
    fn invalid_hold_instructions_are_errors() {
        assert!(read(b"{").is_err());
        for wrong in [
            json!({ "hold": 7 }),
            json!({ "hold": {} }),
            json!({ "hold": { "channels": [] } }),
            json!({ "hold": { "channels": [{}] } }),
            json!({ "hold": { "channels": [{ "name": "" }] } }),
            json!({ "hold": { "channels": [{ "name": "a" }], "mode": "x" } }),
            json!({ "hold": { "channels": [{ "name": "a" }], "timeout": "x" } }),
            json!({ "hold": { "channels": [{ "name": "a" }], "keep-alive": {} } }),
            json!({ "response": { "code": 99 } }),
        ] {
            assert!(of(&wrong).is_err(), "{wrong}");
        }
    }
}
