//! Fields that are added as they came.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Adds a field beside those of its name, unless it is none.
pub(crate) fn append(fields: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}
