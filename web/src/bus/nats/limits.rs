//! NATS' limits on the length of subjects and messages.

/// The longest subject that is sent, in bytes. `max_control_line` is 4096 by default, and the line
/// contains more than the subject.
const MOST_SUBJECT: usize = 3_584;

/// Whether NATS accepts the length of a subject. NATS closes the connection of a client that sends
/// a longer subject, or a message that is too long.
pub(super) fn fits(subject: &str) -> bool {
    subject.len() <= MOST_SUBJECT
}

/// Whether the name of a channel is a valid subject unchanged, and not reserved for the server.
pub(super) fn is_subject(name: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    let is_token = |token: &str| !matches!(token, "" | "*" | ">");
    !name.starts_with(['$', '_']) && name.chars().all(is_plain) && name.split('.').all(is_token)
}

/// Returns the subject that may not be subscribed to. `None` if the error is a different one.
pub(super) fn forbidden_subject(error: &str) -> Option<String> {
    let error = error.to_ascii_lowercase();
    let (_, subject) = error.split_once("permissions violation for subscription to ")?;
    Some(subject.trim_matches(['"', '\'']).to_owned())
}

/// Returns the reason for which NATS would refuse a message of `len` bytes if it accepts `most`.
/// `None` if it would accept the message.
pub(super) fn refuses(most: usize, subject: &str, len: usize) -> Option<String> {
    if len > most {
        return Some(format!(
            "a message of {len} bytes is longer than {most}, the `max_payload` of NATS"
        ));
    }
    (!fits(subject)).then(|| {
        format!(
            "the name of the channel has {} bytes, and the `max_control_line` of NATS allows {MOST_SUBJECT}",
            subject.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_valid_nats_subjects_are_recognised() {
        for name in ["news", "a.b", "Zoë", "a*b", "http://example.com/news"] {
            assert!(is_subject(name), "{name}");
        }
        for name in [
            "", "a b", "a..b", ".a", "a.*", ">", "$SYS.a", "_INBOX.a", "a\n",
        ] {
            assert!(!is_subject(name), "{name}");
        }
    }
}
