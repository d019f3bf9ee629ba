//! Header fields that are added to a head.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

/// Header fields: names and values, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(ByteString, Bytes)>);

impl Fields {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a field, even if there is one with this name.
    pub fn append(&mut self, name: impl Into<ByteString>, value: impl Into<Bytes>) {
        self.0.push((name.into(), value.into()));
    }

    /// Returns the name and value of every field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the value of the first field with this name, ignoring case; `None` if there is none.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// True if there is a field with this name, ignoring case.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

impl IntoIterator for Fields {
    type Item = (ByteString, Bytes);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

// Only the names are shown: values may be secrets (cookies, tokens).
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

impl<N: Into<ByteString>, V: Into<Bytes>> Extend<(N, V)> for Fields {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        let fields = fields.into_iter();
        self.0
            .extend(fields.map(|(name, value)| (name.into(), value.into())));
    }
}

impl<N: Into<ByteString>, V: Into<Bytes>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut all = Self::new();
        all.extend(fields);
        all
    }
}

impl<N: Into<ByteString>, V: Into<Bytes>, const LEN: usize> From<[(N, V); LEN]> for Fields {
    fn from(fields: [(N, V); LEN]) -> Self {
        fields.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_repetition_and_shows_no_values() {
        let mut fields = Fields::from([("Set-Cookie", "a=1")]);
        fields.append("set-cookie", "b=2");
        fields.extend([("X".to_owned(), vec![0xff])]);
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(
            all,
            [
                ("Set-Cookie", &b"a=1"[..]),
                ("set-cookie", b"b=2"),
                ("X", &[0xff])
            ]
        );
        assert_eq!(fields.value("SET-COOKIE"), Some(&b"a=1"[..]));
        assert!(fields.has("x") && !fields.has("y"));
        assert_eq!(
            format!("{fields:?}"),
            r#"["Set-Cookie", "set-cookie", "X"]"#
        );
    }
}
