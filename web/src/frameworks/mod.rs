//! The session formats of the supported frameworks.

mod asked;
mod cookie_session;
mod django;
mod express;
mod php;

use bytes::Bytes;

pub use self::asked::HttpSessions;
pub use self::cookie_session::CookieSessions;
pub use self::django::DjangoSessions;
pub use self::express::ExpressSessions;
pub use self::php::PhpSessions;
use crate::session::SessionError;
use crate::values::Values;

/// The longest session in JSON, in bytes.
const MAX_JSON: usize = 1024 * 1024;

/// Parses a session that is a JSON object.
fn json(data: &[u8]) -> Result<Values, SessionError> {
    if data.len() > MAX_JSON {
        let length = data.len();
        let text = format!("{length} bytes are over the limit of {MAX_JSON}");
        return Err(SessionError::Broken(text));
    }
    let read: Result<serde_json::Value, _> = serde_json::from_slice(data);
    match read {
        Ok(values) if values.is_object() => Ok(Values::json(values)),
        Ok(_) => Err(SessionError::Broken("the JSON is not an object".to_owned())),
        // The error contains the position only, none of the data.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let text = format!("the data are not JSON: error at line {line}, column {column}");
            Err(SessionError::Broken(text))
        }
    }
}

/// Splits a text at the last of this byte.
fn split_at_last(text: &Bytes, byte: u8) -> Option<(Bytes, Bytes)> {
    let at = text.iter().rposition(|other| *other == byte)?;
    Some((text.slice(..at), text.slice(at + 1..)))
}
