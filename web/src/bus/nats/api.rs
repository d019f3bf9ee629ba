//! Requests to the JetStream API and its answers: JSON on subjects of its own.

use bytes::Bytes;
use serde_json::Value;
use thiserror::Error;

/// An error that JetStream answered with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{description} (error {number})")]
pub(super) struct ApiError {
    /// A status code as in HTTP.
    code: u64,
    number: u64,
    description: String,
}

/// JetStream's error number for a stream that does not exist.
const STREAM_NOT_FOUND: u64 = 10_059;

/// Parses an answer.
pub(super) fn answer(payload: &[u8]) -> Result<Value, ApiError> {
    let answer: Value = serde_json::from_slice(payload).unwrap_or_default();
    let Some(error) = answer.get("error") else {
        return Ok(answer);
    };
    let number = |name: &str| error.get(name).and_then(Value::as_u64).unwrap_or(0);
    let description = error.get("description").and_then(Value::as_str);
    Err(ApiError {
        code: number("code"),
        number: number("err_code"),
        description: description.unwrap_or("no reason is given").to_owned(),
    })
}

/// Parses an acknowledgement and returns the sequence number of the message. Only one with an error
/// is parsed as JSON.
pub(super) fn acknowledgement(payload: &[u8]) -> Result<u64, ApiError> {
    const NUMBER: &str = "\"seq\":";
    let text = str::from_utf8(payload).unwrap_or_default();
    if text.contains("\"error\"") {
        answer(payload)?;
    }
    let (_, number) = text.split_once(NUMBER).unwrap_or_default();
    let number = number.trim_start();
    let end = number.find(|c: char| !c.is_ascii_digit());
    let digits = number.get(..end.unwrap_or(number.len()));
    Ok(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0))
}

/// Serialises the body of a request.
pub(super) fn body(value: &Value) -> Bytes {
    value.to_string().into()
}

/// Returns the number in an answer at a JSON pointer; 0 if absent.
pub(super) fn number(answer: &Value, path: &str) -> u64 {
    let number = answer.pointer(path).and_then(Value::as_u64);
    number.unwrap_or(0)
}

/// Returns the text in an answer at a JSON pointer; empty if absent.
pub(super) fn text<'a>(answer: &'a Value, path: &str) -> &'a str {
    let text = answer.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default()
}

impl ApiError {
    /// Whether the error is temporary: JetStream has no leader or is about to start.
    pub(super) fn is_for_a_while(&self) -> bool {
        self.code == 503
    }

    pub(super) fn is_stream_not_found(&self) -> bool {
        self.number == STREAM_NOT_FOUND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read() {
        let payload = br#"{"type":"io.nats.jetstream.api.v1.stream_info_response","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let error = answer(payload).unwrap_err();
        assert!(error.is_stream_not_found() && !error.is_for_a_while());
        assert_eq!(error.to_string(), "stream not found (error 10059)");
        assert_eq!(acknowledgement(payload), Err(error));
        let payload = br#"{"error":{"code":503,"description":"no leader"},"seq":0}"#;
        assert!(answer(payload).unwrap_err().is_for_a_while());
    }

    #[test]
    fn acknowledgements_have_a_number() {
        for (payload, number) in [
            (r#"{"stream":"polysock", "seq":7}"#, 7),
            (r#"{"stream":"polysock","seq": 12,"domain":"x"}"#, 12),
            ("{}", 0),
            ("", 0),
        ] {
            assert_eq!(acknowledgement(payload.as_bytes()), Ok(number), "{payload}");
        }
    }

    #[test]
    fn numbers_are_found() {
        let info = answer(br#"{"state":{"first_seq":3}}"#).unwrap();
        assert_eq!(number(&info, "/state/first_seq"), 3);
        assert_eq!(number(&info, "/state/num_deleted"), 0);
    }
}
