//! Secrets in the path of a request, masked in output.

use std::borrow::Cow;

use bytestring::ByteString;

/// The replacement for a secret.
const HIDDEN: &str = "***";

/// The length below which a value is replaced only if it is a whole part of a URL: elsewhere it may
/// occur by chance.
const MIN_REPEATED: usize = 6;

/// The parts of a client's path to which its route has given the name of a secret, such as
/// `{token}`. Secrets are never shown.
#[derive(Clone)]
pub(crate) struct Masked(pub(crate) Vec<ByteString>);

impl Masked {
    /// Returns a target or a URL with `***` in place of each secret, and of the values of its query
    /// unless those are [shown](super::show_queries).
    pub(crate) fn apply<'a>(this: Option<&Self>, url: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(url);
        for value in this.iter().flat_map(|masked| &masked.0) {
            if value.len() >= MIN_REPEATED {
                shown = Cow::Owned(shown.replace(&**value, HIDDEN));
            } else {
                let is_end = |character| "/:@?&=#,;".contains(character);
                let parts =
                    shown
                        .split_inclusive(is_end)
                        .map(|part| match part.strip_prefix(&**value) {
                            Some("") => HIDDEN.into(),
                            Some(end) if end.chars().all(is_end) => format!("{HIDDEN}{end}"),
                            _ => part.to_owned(),
                        });
                shown = Cow::Owned(parts.collect());
            }
        }
        super::shown::shown(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_a_url_contains_it() {
        for (value, url, expected) in [
            ("s3cr3t", "/vnc/s3cr3t/app", "/vnc/***/app"),
            ("s3cr3t", "/vnc/xs3cr3t?a=s3cr3t", "/vnc/x***?a=***"),
            ("abc", "/abc/abcd/xabc", "/***/abcd/xabc"),
            ("abc", "tcp://abc:5900", "tcp://***:5900"),
            ("abc", "/vnc/abc", "/vnc/***"),
            ("a", "/a/a?a=a&b", "/***/***?***=***&b"),
        ] {
            let masked = Masked(vec![value.into()]);
            assert_eq!(Masked::apply(Some(&masked), url), expected, "{value}");
        }
        assert_eq!(Masked::apply(None, "/a"), "/a");
    }
}
