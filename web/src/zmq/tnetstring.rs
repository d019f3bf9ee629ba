//! Tagged netstrings (<https://tnetstrings.info>): a size, a colon, as many bytes, and a letter for
//! the type.
//!
//! ```text
//!   SIZE : CONTENT ,   a string        SIZE : CONTENT }   keys and values, alternating
//!   SIZE : CONTENT #   an integer      SIZE : CONTENT ]   values
//!   SIZE : CONTENT ^   a float         4:true!  5:false!  0:~
//! ```

use serde_json::{Map, Number, Value};
use thiserror::Error;

/// The deepest nesting of values.
const MAX_DEPTH: usize = 16;

/// The most digits of a size.
const MAX_DIGITS: usize = 9;

/// The reason for which bytes are not a tnetstring.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum TnetstringError {
    /// The size is missing, or is not a number of up to nine digits followed by a colon.
    #[error("a size is not valid")]
    Size,
    #[error("a content is shorter than its size")]
    Content,
    #[error("a type is unknown")]
    Type,
    #[error("a number is not valid")]
    Number,
    #[error("a boolean is neither true nor false")]
    Boolean,
    #[error("a null has content")]
    Null,
    #[error("a key is not a UTF-8 string")]
    Key,
    #[error("values are nested deeper than {MAX_DEPTH}")]
    Depth,
    #[error("bytes follow the end")]
    Trailing,
}

/// Parses a value, which must use all bytes. A string that is not UTF-8 cannot be represented in
/// JSON, and becomes null.
pub(super) fn read(mut bytes: &[u8]) -> Result<Value, TnetstringError> {
    let value = value(&mut bytes, MAX_DEPTH)?;
    match bytes {
        [] => Ok(value),
        _ => Err(TnetstringError::Trailing),
    }
}

fn value(bytes: &mut &[u8], depth: usize) -> Result<Value, TnetstringError> {
    let (kind, content) = element(bytes)?;
    Ok(match kind {
        b',' => std::str::from_utf8(content).map_or(Value::Null, Value::from),
        b'#' => integer(content)?.into(),
        b'^' => float(content)?.into(),
        b'!' => match content {
            b"true" => true.into(),
            b"false" => false.into(),
            _ => return Err(TnetstringError::Boolean),
        },
        b'~' => match content {
            [] => Value::Null,
            _ => return Err(TnetstringError::Null),
        },
        b']' => list(content, deeper(depth)?)?.into(),
        b'}' => object(content, deeper(depth)?)?.into(),
        _ => return Err(TnetstringError::Type),
    })
}

fn deeper(depth: usize) -> Result<usize, TnetstringError> {
    depth.checked_sub(1).ok_or(TnetstringError::Depth)
}

fn list(mut content: &[u8], depth: usize) -> Result<Vec<Value>, TnetstringError> {
    let mut values = Vec::new();
    while !content.is_empty() {
        values.push(value(&mut content, depth)?);
    }
    Ok(values)
}

fn object(mut content: &[u8], depth: usize) -> Result<Map<String, Value>, TnetstringError> {
    let mut values = Map::new();
    while !content.is_empty() {
        let key = match element(&mut content)? {
            (b',', key) => std::str::from_utf8(key).map_err(|_| TnetstringError::Key)?,
            _ => return Err(TnetstringError::Key),
        };
        values.insert(key.to_owned(), value(&mut content, depth)?);
    }
    Ok(values)
}

/// Takes the first element, and returns its letter and its content.
fn element<'a>(bytes: &mut &'a [u8]) -> Result<(u8, &'a [u8]), TnetstringError> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.take(MAX_DIGITS + 1).count();
    let (size, rest) = bytes
        .split_at_checked(digits)
        .ok_or(TnetstringError::Size)?;
    if matches!(size, [b'0', _, ..]) || digits > MAX_DIGITS {
        return Err(TnetstringError::Size);
    }
    let size = std::str::from_utf8(size).ok();
    let size: Option<usize> = size.and_then(|size| size.parse().ok());
    let (Some(size), [b':', rest @ ..]) = (size, rest) else {
        return Err(TnetstringError::Size);
    };
    let (content, rest) = rest
        .split_at_checked(size)
        .ok_or(TnetstringError::Content)?;
    let (kind, rest) = rest.split_first().ok_or(TnetstringError::Content)?;
    *bytes = rest;
    Ok((*kind, content))
}

fn integer(content: &[u8]) -> Result<Number, TnetstringError> {
    let text = std::str::from_utf8(content).map_err(|_| TnetstringError::Number)?;
    let number = text.parse::<i64>().map(Number::from);
    let number = number.or_else(|_| text.parse::<u64>().map(Number::from));
    number.map_err(|_| TnetstringError::Number)
}

fn float(content: &[u8]) -> Result<Number, TnetstringError> {
    let text = std::str::from_utf8(content).map_err(|_| TnetstringError::Number)?;
    let number = text.parse().ok().and_then(Number::from_f64);
    number.ok_or(TnetstringError::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> Vec<u8> {
        let (kind, content) = match value {
            Value::Null => (b'~', Vec::new()),
            Value::Bool(value) => (b'!', value.to_string().into_bytes()),
            Value::Number(number) if number.is_f64() => (b'^', number.to_string().into_bytes()),
            Value::Number(number) => (b'#', number.to_string().into_bytes()),
            Value::String(text) => (b',', text.clone().into_bytes()),
            Value::Array(values) => (b']', values.iter().flat_map(written).collect()),
            Value::Object(values) => {
                let entries = values.iter();
                let entries = entries
                    .flat_map(|(key, value)| [written(&key.as_str().into()), written(value)]);
                (b'}', entries.flatten().collect())
            }
        };
        let size = format!("{}:", content.len()).into_bytes();
        [size, content, vec![kind]].concat()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,8}", inner, 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_written_tnetstring_is_read_back(value in any_value()) {
            prop_assert_eq!(read(&written(&value)), Ok(value));
        }

        #[test]
        fn garbage_is_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn an_item_of_pushpin_is_read() {
        let item = b"73:7:channel,4:test,7:formats,42:10:ws-message,24:7:content,10:hello tnet,}}}";
        let expected =
            json!({ "channel": "test", "formats": { "ws-message": { "content": "hello tnet" } } });
        assert_eq!(read(item), Ok(expected));
    }

    #[test]
    fn values_without_a_json_form_are_null() {
        assert_eq!(read(b"2:\xff\xfe,"), Ok(Value::Null));
        assert_eq!(read(b"9:1:a,2:\xff\xfe,}"), Ok(json!({ "a": null })));
    }

    #[test]
    fn malformed_tnetstrings_are_errors() {
        for (bytes, error) in [
            (&b""[..], TnetstringError::Size),
            (b"hello", TnetstringError::Size),
            (b":,", TnetstringError::Size),
            (b"-1:,", TnetstringError::Size),
            (b"+1:a,", TnetstringError::Size),
            (b"01:a,", TnetstringError::Size),
            (b"1", TnetstringError::Size),
            (b"1000000000:a,", TnetstringError::Size),
            (b"99999999999999999999999:a,", TnetstringError::Size),
            (b"999999999:a,", TnetstringError::Content),
            (b"5:hell,", TnetstringError::Content),
            (b"5:hello", TnetstringError::Content),
            (b"5:hello;", TnetstringError::Type),
            (b"1:x#", TnetstringError::Number),
            (b"20:99999999999999999999#", TnetstringError::Number),
            (b"3:inf^", TnetstringError::Number),
            (b"3:yes!", TnetstringError::Boolean),
            (b"1:a~", TnetstringError::Null),
            (b"4:1:1#}", TnetstringError::Key),
            (b"7:1:\xff,0:~}", TnetstringError::Key),
            (b"4:1:a,}", TnetstringError::Size),
            (b"0:~ ", TnetstringError::Trailing),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(read(bytes), Err(error), "{shown}");
        }
        let nested = |depth: usize| (0..depth).fold(json!([]), |value, _| json!([value]));
        assert!(read(&written(&nested(MAX_DEPTH - 1))).is_ok());
        let deeper = written(&nested(MAX_DEPTH));
        assert_eq!(read(&deeper), Err(TnetstringError::Depth));
    }
}
