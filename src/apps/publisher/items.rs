//! The items that GRIP publishes.

use bytes::Bytes;
use bytestring::ByteString;
use polysock_protocols::{Close, CloseCode, Message};
use serde_json::{Map, Value};

use super::held;
use super::members::ItemsError::{self, Format};
use super::members::{Action, bytes, text};
use crate::push::{Audience, HeldPush, Publication, Push};

/// A publication, and its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) channel: String,
    pub(super) publication: Publication,
}

/// The formats that an item may contain directly, without `formats`.
const FORMATS: [&str; 3] = ["ws-message", "http-stream", "http-response"];

/// Reads all items of a body, or returns the first error.
pub(super) fn read(body: &[u8]) -> Result<Vec<Item>, ItemsError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| ItemsError::Json)?;
    let items = body.get("items").and_then(Value::as_array);
    let items = items.ok_or(Format("the body is not an object with an array `items`"))?;
    items.iter().map(item).collect()
}

/// Reads one item.
pub(super) fn item(item: &Value) -> Result<Item, ItemsError> {
    let item = item.as_object().ok_or(Format("an item is not an object"))?;
    let channel = text(item, "channel", Format("channel is not a string"))?;
    let channel = channel.filter(|channel| !channel.is_empty());
    let formats = match item.get("formats") {
        Some(formats) => formats
            .as_object()
            .ok_or(Format("formats is not an object"))?,
        None => item,
    };
    let has_formats = match item.contains_key("formats") {
        true => !formats.is_empty(),
        false => FORMATS.iter().any(|format| item.contains_key(*format)),
    };
    if !has_formats {
        return Err(Format("an item has no formats"));
    }
    let format = |name: &str, error| match formats.get(name) {
        Some(format) => format.as_object().map(Some).ok_or(error),
        None => Ok(None),
    };
    let push = format("ws-message", Format("ws-message is not an object"))?.map(push);
    let stream = format("http-stream", Format("http-stream is not an object"))?.map(held::stream);
    let response = format("http-response", Format("http-response is not an object"))?;
    let response = response.map(held::response);
    let sender = item.get("meta").and_then(|meta| meta.get("sender"));
    let sender = sender.and_then(Value::as_str);
    Ok(Item {
        channel: channel.ok_or(Format("an item has no channel"))?.to_owned(),
        publication: Publication {
            push: push.transpose()?.unwrap_or_default(),
            held: HeldPush::Formats {
                stream: stream.transpose()?,
                response: response.transpose()?.flatten(),
            },
            id: text(item, "id", Format("id is not a string"))?.map(str::to_owned),
            prev_id: text(item, "prev-id", Format("prev-id is not a string"))?.map(str::to_owned),
            sender: sender.map(str::to_owned),
            audience: Audience::default(),
        },
    })
}

/// Reads a `ws-message`.
fn push(format: &Map<String, Value>) -> Result<Push, ItemsError> {
    let kind = text(format, "type", Format("type is not a string"))?;
    match Action::of(format)? {
        Action::Send => {}
        Action::Close => return close(format),
        // A hint asks clients to look for missed messages; WebSockets have no equivalent.
        Action::Hint => return Ok(Push::Nothing),
    }
    let content = text(format, "content", Format("content is not a string"))?;
    let encoded = text(format, "content-bin", Format("content-bin is not a string"))?;
    let content = match (content, encoded) {
        _ if matches!(kind, Some("ping" | "pong")) => {
            // The session sends its own pings.
            return Ok(Push::Nothing);
        }
        (None, None) => return Err(Format("ws-message has neither content nor content-bin")),
        (_, Some(encoded)) => bytes(encoded, Format("content-bin is not base64"))?,
        (Some(content), None) => Bytes::copy_from_slice(content.as_bytes()),
    };
    // The type decides; without a type, `content-bin` means binary.
    let is_binary = match kind {
        None => encoded.is_some(),
        Some("text") => false,
        Some("binary") => true,
        Some(_) => return Err(Format("type is none of text, binary, ping and pong")),
    };
    Ok(Push::Message(match is_binary {
        true => Message::Binary(content),
        false => {
            let text = ByteString::try_from(content);
            Message::Text(text.map_err(|_| Format("the content of a text is not UTF-8"))?)
        }
    }))
}

fn close(format: &Map<String, Value>) -> Result<Push, ItemsError> {
    let code = match format.get("code") {
        None => CloseCode::NORMAL,
        Some(code) => {
            let code = code.as_u64().and_then(|code| u16::try_from(code).ok());
            let code = code.and_then(CloseCode::new);
            code.ok_or(Format("code is not a close code that may be sent"))?
        }
    };
    let reason = text(format, "reason", Format("reason is not a string"))?;
    Ok(Push::Close(Close::new(code, reason.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::push::{ResponsePush, StreamPush};

    fn one(item: &Value) -> Result<Push, ItemsError> {
        let body = json!({ "items": [item] }).to_string();
        let mut items = read(body.as_bytes())?;
        Ok(items.remove(0).publication.push)
    }

    #[test]
    fn published_items_are_read() {
        let with =
            |format: Value| one(&json!({ "channel": "c", "formats": { "ws-message": format } }));
        let message = |message: Message| Ok(Push::Message(message));
        assert_eq!(with(json!({ "content": "hé" })), message("hé".into()));
        assert_eq!(
            with(json!({ "content-bin": "AP8=" })),
            message(Message::binary(&b"\0\xff"[..]))
        );
        assert_eq!(
            with(json!({ "content": "a", "type": "binary" })),
            message(Message::binary(&b"a"[..]))
        );
        assert_eq!(
            with(json!({ "content-bin": "aGk=", "type": "text" })),
            message("hi".into())
        );
        let close = Close::new(CloseCode::new(4001).unwrap(), "why");
        assert_eq!(
            with(json!({ "action": "close", "code": 4001, "reason": "why" })),
            Ok(Push::Close(close))
        );
        let normal = Close::from(CloseCode::NORMAL);
        assert_eq!(with(json!({ "action": "close" })), Ok(Push::Close(normal)));
        for nothing in [
            json!({ "action": "hint" }),
            json!({ "type": "ping" }),
            json!({ "content": "", "type": "pong" }),
        ] {
            assert_eq!(with(nothing), Ok(Push::Nothing));
        }
        // pubcontrol omits `formats`.
        let left_out = one(&json!({ "channel": "c", "ws-message": { "content": "x" } }));
        assert_eq!(left_out, message("x".into()));
        let other = one(&json!({ "channel": "c", "formats": { "new": {} } }));
        assert_eq!(other, Ok(Push::Nothing));
        let all = br#"{"items":[{"channel":"c","id":"2","prev-id":"1","meta":{"sender":"me"},"http-stream":{"content":"x"}}]}"#;
        let item = read(all).unwrap().remove(0);
        let Publication {
            id,
            prev_id,
            sender,
            ..
        } = item.publication;
        let texts = [id, prev_id, sender].map(Option::unwrap);
        assert_eq!(texts, ["2", "1", "me"]);
    }

    #[test]
    fn held_requests_get_their_own_formats() {
        let held = |formats: Value| {
            let body = json!({ "items": [{ "channel": "c", "formats": formats }] }).to_string();
            read(body.as_bytes()).unwrap().remove(0).publication.held
        };
        let both = held(json!({
            "ws-message": { "content": "x" },
            "http-stream": { "content": "y" },
            "http-response": { "action": "hint" },
        }));
        let expected = HeldPush::Formats {
            stream: Some(StreamPush::Content("y".into())),
            response: Some(ResponsePush::Hint),
        };
        assert_eq!(both, expected);
        let none = HeldPush::Formats {
            stream: None,
            response: None,
        };
        assert_eq!(held(json!({ "ws-message": { "content": "x" } })), none);
    }

    #[test]
    fn an_invalid_item_makes_the_whole_request_an_error() {
        for body in ["nope", "", "{"] {
            assert_eq!(read(body.as_bytes()), Err(ItemsError::Json), "{body}");
        }
        for body in ["{}", "[]", r#"{"items":{}}"#, r#"{"items":[7]}"#] {
            assert!(matches!(read(body.as_bytes()), Err(Format(_))), "{body}");
        }
        assert_eq!(read(br#"{"items":[]}"#), Ok(Vec::new()));
        for wrong in [
            json!({ "channel": "c" }),
            json!({ "formats": { "ws-message": { "content": "x" } } }),
            json!({ "channel": "", "ws-message": { "content": "x" } }),
            json!({ "channel": 7, "ws-message": { "content": "x" } }),
            json!({ "channel": "c", "formats": {} }),
            json!({ "channel": "c", "formats": [] }),
            json!({ "channel": "c", "id": 5, "ws-message": { "content": "x" } }),
            json!({ "channel": "c", "ws-message": "x" }),
            json!({ "channel": "c", "http-stream": "x" }),
            json!({ "channel": "c", "http-response": "x" }),
            json!({ "channel": "c", "ws-message": { "content": "x" }, "http-stream": {} }),
            json!({ "channel": "c", "ws-message": { "content": "x" }, "http-response": {} }),
            json!({ "channel": "c", "ws-message": {} }),
            json!({ "channel": "c", "ws-message": { "content": 7 } }),
            json!({ "channel": "c", "ws-message": { "content-bin": "%" } }),
            json!({ "channel": "c", "ws-message": { "content-bin": "AP8=", "type": "text" } }),
            json!({ "channel": "c", "ws-message": { "content": "x", "type": "x" } }),
            json!({ "channel": "c", "ws-message": { "content": "x", "action": "x" } }),
            json!({ "channel": "c", "ws-message": { "action": "close", "code": 1005 } }),
            json!({ "channel": "c", "ws-message": { "action": "close", "code": "x" } }),
        ] {
            let text = wrong.to_string();
            assert!(matches!(one(&wrong), Err(Format(_))), "{text}");
        }
    }
}
