//! Heads on their way out.

use bytes::BytesMut;

use super::grammar::is_value_byte;

/// Room for most heads.
const TYPICAL: usize = 256;

/// Writes a head: the first line, fields, and with [`finish`](Self::finish) the blank line.
#[derive(Debug)]
pub struct HeadWriter<'a> {
    dst: &'a mut BytesMut,
}

impl<'a> HeadWriter<'a> {
    /// Begins with the first line.
    pub fn new(dst: &'a mut BytesMut, first_line: &str) -> Self {
        dst.reserve(TYPICAL);
        dst.extend_from_slice(first_line.as_bytes());
        dst.extend_from_slice(b"\r\n");
        Self { dst }
    }

    /// Adds a field. What could end the line is dropped from the value: a header injection
    /// needs CR or LF.
    pub fn field(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.dst.extend_from_slice(name.as_bytes());
        self.dst.extend_from_slice(b": ");
        let value = value.as_ref();
        if value.iter().copied().all(is_value_byte) {
            self.dst.extend_from_slice(value);
        } else {
            self.dst
                .extend(value.iter().filter(|byte| is_value_byte(**byte)));
        }
        self.dst.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a field where there is a value for it.
    pub fn optional(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Adds fields as they are.
    pub fn fields<N: AsRef<str>, V: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        fields.into_iter().fold(self, |writer, (name, value)| {
            writer.field(name.as_ref(), value)
        })
    }

    /// Ends the head with its blank line.
    pub fn finish(self) {
        self.dst.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_value_cannot_begin_a_line() {
        let mut dst = BytesMut::new();
        HeadWriter::new(&mut dst, "HTTP/1.1 101 X")
            .field("A", "b\r\nC: d")
            .finish();
        assert_eq!(dst, "HTTP/1.1 101 X\r\nA: bC: d\r\n\r\n");
    }
}
