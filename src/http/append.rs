//! Fields that are added unchanged.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Adds a field next to others of its name. An invalid name or value is ignored.
pub(crate) fn append(fields: &mut HeaderMap, name: &[u8], value: &[u8]) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}
