//! How long things may be for NATS.

/// The longest subject that is sent, in bytes: `max_control_line` is 4096 where nobody has set it, and there is more on a
/// line.
const MOST_SUBJECT: usize = 3_584;

/// Whether NATS takes a subject. It closes the connection of who sends a longer one, or a message that is too long.
pub(super) fn fits(subject: &str) -> bool {
    subject.len() <= MOST_SUBJECT
}

/// Whether the name of a channel is a subject as it is, and none of the server's own.
pub(super) fn is_subject(name: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    let is_token = |token: &str| !matches!(token, "" | "*" | ">");
    !name.starts_with(['$', '_']) && name.chars().all(is_plain) && name.split('.').all(is_token)
}

/// What may not be subscribed to, if that is what an error says.
pub(super) fn forbidden_subject(error: &str) -> Option<String> {
    let error = error.to_ascii_lowercase();
    let (_, subject) = error.split_once("permissions violation for subscription to ")?;
    Some(subject.trim_matches(['"', '\'']).to_owned())
}

/// Why a message is not taken, of so many bytes where `most` are taken.
pub(super) fn refuses(most: usize, subject: &str, len: usize) -> Option<String> {
    if len > most {
        return Some(format!(
            "a message of {len} bytes is longer than the {most} that NATS takes, its `max_payload`"
        ));
    }
    (!fits(subject)).then(|| {
        format!(
            "the name of the channel takes {} bytes, and NATS has room for {MOST_SUBJECT} in its `max_control_line`",
            subject.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_are_subjects() {
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
