//! A writer for heads.

use bytes::BytesMut;

use super::grammar::is_value_byte;

/// The space to reserve, in bytes: enough for most heads.
const TYPICAL: usize = 256;

/// Writes a head: the first line, fields, and with [`finish`](Self::finish) the blank line.
#[derive(Debug)]
pub struct HeadWriter<'a> {
    dst: &'a mut BytesMut,
}

impl<'a> HeadWriter<'a> {
    /// Writes the first line.
    pub fn new(dst: &'a mut BytesMut, first_line: &str) -> Self {
        dst.reserve(TYPICAL);
        dst.extend_from_slice(first_line.as_bytes());
        dst.extend_from_slice(b"\r\n");
        Self { dst }
    }

    /// Writes a field. Bytes that could end the line are dropped from the value: a header injection
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

    /// Writes a field if it has a value.
    pub fn optional(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Writes fields in their order.
    pub fn fields<N: AsRef<str>, V: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        fields.into_iter().fold(self, |writer, (name, value)| {
            writer.field(name.as_ref(), value)
        })
    }

    /// Writes the blank line that ends the head.
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
