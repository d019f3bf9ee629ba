//! The formats for held requests: `http-stream` and `http-response`.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::ext::ReasonPhrase;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::members::ItemsError::{self, Format};
use super::members::{Action, bytes, text};
use crate::push::{HeldAnswer, ResponsePush, StreamPush};

/// Reads an `http-stream`.
pub(super) fn stream(format: &Map<String, Value>) -> Result<StreamPush, ItemsError> {
    match Action::of(format)? {
        Action::Send => {}
        Action::Close => return Ok(StreamPush::Close),
        Action::Hint => return Ok(StreamPush::Hint),
    }
    let content = content(format, "content", "content-bin")?;
    let missing = Format("http-stream has neither content nor content-bin");
    Ok(StreamPush::Content(content.ok_or(missing)?))
}

/// Reads an `http-response`. A close yields `None`: a client that waits for an answer should get
/// one.
pub(super) fn response(format: &Map<String, Value>) -> Result<Option<ResponsePush>, ItemsError> {
    match Action::of(format)? {
        Action::Send => {}
        Action::Close => return Ok(None),
        Action::Hint => return Ok(Some(ResponsePush::Hint)),
    }
    answer(format).map(ResponsePush::Answer).map(Some)
}

/// Reads the response from a format.
pub(in crate::apps) fn answer(format: &Map<String, Value>) -> Result<HeldAnswer, ItemsError> {
    let status = match format.get("code") {
        None => StatusCode::OK,
        Some(code) => {
            let code = code.as_u64().and_then(|code| u16::try_from(code).ok());
            let code = code.and_then(|code| StatusCode::from_u16(code).ok());
            let code = code.filter(|code| !code.is_informational());
            code.ok_or(Format("code is not a status of an answer"))?
        }
    };
    let reason = text(format, "reason", Format("reason is not a string"))?;
    let reason = reason.filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| ReasonPhrase::try_from(reason.as_bytes()).is_err()) {
        return Err(Format("reason has an invalid character"));
    }
    if format.contains_key("body-patch") {
        return Err(Format("body-patch is not supported"));
    }
    let body = content(format, "body", "body-bin")?;
    Ok(HeldAnswer {
        status: status.as_u16(),
        reason: reason.map(str::to_owned),
        fields: fields(format)?,
        body: body.ok_or(Format("http-response has neither body nor body-bin"))?,
    })
}

/// Reads the fields in `headers`: an object, or a list of pairs, in which a name may occur twice.
fn fields(format: &Map<String, Value>) -> Result<Vec<(String, String)>, ItemsError> {
    match format.get("headers") {
        None => Ok(Vec::new()),
        Some(Value::Object(fields)) => {
            let fields = fields.iter();
            fields.map(|(name, value)| field(name, value)).collect()
        }
        Some(Value::Array(fields)) => {
            let pair = |pair: &Value| match pair.as_array().map(Vec::as_slice) {
                Some([Value::String(name), value]) => field(name, value),
                _ => Err(Format(
                    "headers has an element that is not a name and a value",
                )),
            };
            fields.iter().map(pair).collect()
        }
        Some(_) => Err(Format("headers is neither an object nor a list")),
    }
}

fn field(name: &str, value: &Value) -> Result<(String, String), ItemsError> {
    let value = value.as_str();
    let value = value.ok_or(Format("headers has a value that is not a string"))?;
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(_), Ok(_)) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Format("headers has an invalid field")),
    }
}

/// Reads a content, as plain text or in base64.
fn content(
    format: &Map<String, Value>,
    name: &str,
    encoded: &str,
) -> Result<Option<Bytes>, ItemsError> {
    let encoded = text(
        format,
        encoded,
        Format("content-bin or body-bin is not a string"),
    )?;
    let content = text(format, name, Format("content or body is not a string"))?;
    match (encoded, content) {
        (Some(encoded), _) => {
            bytes(encoded, Format("content-bin or body-bin is not base64")).map(Some)
        }
        (None, content) => Ok(content.map(|content| Bytes::copy_from_slice(content.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of<T>(
        read: impl Fn(&Map<String, Value>) -> Result<T, ItemsError>,
        format: &Value,
    ) -> Result<T, ItemsError> {
        read(format.as_object().unwrap())
    }

    #[test]
    fn formats_for_streams_are_read() {
        let content = |bytes: &'static [u8]| Ok(StreamPush::Content(Bytes::from_static(bytes)));
        for (format, expected) in [
            (json!({ "content": "hé\n" }), content("hé\n".as_bytes())),
            (json!({ "content": "" }), content(b"")),
            (json!({ "content-bin": "AP8=" }), content(b"\0\xff")),
            (
                json!({ "content": "x", "content-bin": "AP8=" }),
                content(b"\0\xff"),
            ),
            (json!({ "content": "x", "action": "send" }), content(b"x")),
            (json!({ "action": "close" }), Ok(StreamPush::Close)),
            (json!({ "action": "hint" }), Ok(StreamPush::Hint)),
        ] {
            assert_eq!(of(stream, &format), expected, "{format}");
        }
        for wrong in [
            json!({}),
            json!({ "content": 7 }),
            json!({ "content-bin": 7 }),
            json!({ "content-bin": "%" }),
            json!({ "content": "x", "action": "dance" }),
            json!({ "content": "x", "action": 7 }),
        ] {
            assert!(matches!(of(stream, &wrong), Err(Format(_))), "{wrong}");
        }
    }

    #[test]
    fn formats_for_responses_are_read() {
        let answer =
            |status, reason: Option<&str>, fields: &[(&str, &str)], body: &'static [u8]| {
                let owned =
                    |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
                Ok(Some(ResponsePush::Answer(HeldAnswer {
                    status,
                    reason: reason.map(str::to_owned),
                    fields: fields.iter().map(owned).collect(),
                    body: Bytes::from_static(body),
                })))
            };
        for (format, expected) in [
            (json!({ "body": "hi" }), answer(200, None, &[], b"hi")),
            (
                json!({ "body-bin": "AP8=", "code": 201, "reason": "Made" }),
                answer(201, Some("Made"), &[], b"\0\xff"),
            ),
            (
                json!({ "body": "", "reason": "", "headers": { "A": "b" } }),
                answer(200, None, &[("A", "b")], b""),
            ),
            (
                json!({ "body": "", "headers": [["A", "b"], ["A", "c"]] }),
                answer(200, None, &[("A", "b"), ("A", "c")], b""),
            ),
            (json!({ "action": "close" }), Ok(None)),
            (json!({ "action": "hint" }), Ok(Some(ResponsePush::Hint))),
        ] {
            assert_eq!(of(response, &format), expected, "{format}");
        }
        for wrong in [
            json!({}),
            json!({ "body": 7 }),
            json!({ "body-bin": "%" }),
            json!({ "body-patch": [] }),
            json!({ "body": "", "code": 99 }),
            json!({ "body": "", "code": 101 }),
            json!({ "body": "", "code": 1000 }),
            json!({ "body": "", "code": "x" }),
            json!({ "body": "", "reason": 7 }),
            json!({ "body": "", "reason": "a\r\nb" }),
            json!({ "body": "", "headers": 7 }),
            json!({ "body": "", "headers": { "A": 7 } }),
            json!({ "body": "", "headers": { "A": "b\r\nc: d" } }),
            json!({ "body": "", "headers": { "A b": "c" } }),
            json!({ "body": "", "headers": [["A"]] }),
            json!({ "body": "", "headers": [["A", "b", "c"]] }),
            json!({ "body": "", "action": "dance" }),
        ] {
            assert!(matches!(of(response, &wrong), Err(Format(_))), "{wrong}");
        }
    }
}
