//! Fields of a request head that may be invalid.

/// Returns the value of the first field with a name, in an unparsed head or its beginning.
pub(super) fn field<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    // The head ends at the first empty line.
    let mut lines = lines.skip(1).take_while(|line| !line.is_empty());
    lines.find_map(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let is_name = parts.next()?.eq_ignore_ascii_case(name.as_bytes());
        parts.next().filter(|_| is_name).map(<[u8]>::trim_ascii)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_only_within_the_head() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\nNAME:b:c\r\n\r\n", Some("b:c")),
            ("GET / HTTP/1.1\nname: \tb ", Some("b")),
            ("GET / HTTP/1.1\r\nname\r\nx-name: b\r\n\r\n", None),
            ("GET / HTTP/1.1\r\n\r\nname: b\r\n", None),
            ("name: b\r\n", None),
            ("GET /\r\nname: \r\nname: b\r\n", Some("")),
            ("", None),
        ] {
            let found = field(head.as_bytes(), "name");
            assert_eq!(found, expected.map(str::as_bytes), "{head:?}");
        }
    }
}
