//! The names of topics at a broker.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use polysock::bus::Topic;

use super::settings::Prefix;

/// Converts topics to names at a broker and back: `PREFIX.nodes`, and `PREFIX.c.NAME` for a
/// channel. Names of channels are arbitrary text, so they are encoded in base64, which has no
/// special meaning to any broker.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    /// The beginning of all names below the prefix.
    ours: String,
    nodes: String,
    channels: String,
}

/// The token in place of an empty channel name. Base64 cannot produce it.
const EMPTY: &str = "=";

impl Subjects {
    pub(super) fn new(prefix: &Prefix) -> Self {
        Self {
            ours: format!("{prefix}."),
            nodes: format!("{prefix}.nodes"),
            channels: format!("{prefix}.c."),
        }
    }

    /// Returns the name of a topic at the broker. For all channels it ends in `*`, which is a
    /// wildcard in both Redis and NATS.
    pub(super) fn subject(&self, topic: &Topic) -> String {
        match topic {
            Topic::Channel(name) => format!("{}{}", self.channels, token(name)),
            Topic::Channels => format!("{}*", self.channels),
            Topic::Nodes => self.nodes.clone(),
            Topic::Bare(name) => name.to_string(),
        }
    }

    /// Whether a topic can be subscribed to. A bare name must not be empty, nor below our prefix.
    pub(super) fn has(&self, topic: &Topic) -> bool {
        match topic {
            Topic::Bare(name) => !name.is_empty() && !name.starts_with(&self.ours),
            Topic::Channel(_) | Topic::Channels | Topic::Nodes => true,
        }
    }

    /// Returns the topic of a name at the broker. `None` if the name is below our prefix but was
    /// not made by [`subject`](Self::subject).
    pub(super) fn topic(&self, subject: &str) -> Option<Topic> {
        if subject == self.nodes {
            return Some(Topic::Nodes);
        }
        if !subject.starts_with(&self.ours) {
            return Some(Topic::Bare(subject.into()));
        }
        let name = match subject.strip_prefix(&self.channels)? {
            EMPTY => String::new(),
            "" => return None,
            token => String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?,
        };
        Some(Topic::Channel(Arc::from(name)))
    }
}

/// Returns the name of a channel as a token in the broker's names.
pub(super) fn token(name: &str) -> String {
    if name.is_empty() {
        EMPTY.to_owned()
    } else {
        BASE64_URL_SAFE_NO_PAD.encode(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_name_survives_the_encoding_as_a_subject() {
        let subjects = Subjects::new(&Prefix::default());
        let long = "ä>".repeat(200);
        for name in ["news", "", " ", "a.b", "*", ">", "=", "Zoë\0\n", &long] {
            let topic = Topic::Channel(name.into());
            let subject = subjects.subject(&topic);
            let token = subject.strip_prefix("polysock.c.").unwrap();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=".contains(c);
            assert!(!token.is_empty() && token.chars().all(is_plain), "{token}");
            assert_eq!(subjects.topic(&subject), Some(topic));
        }
        let nodes = subjects.subject(&Topic::Nodes);
        assert_eq!(nodes, "polysock.nodes");
        assert_eq!(subjects.topic(&nodes), Some(Topic::Nodes));
        assert_eq!(subjects.subject(&Topic::Channels), "polysock.c.*");
    }

    #[test]
    fn foreign_subjects_are_no_topics() {
        let subjects = Subjects::new(&Prefix::default());
        for other in [
            "polysock.c.",
            "polysock.c.a b",
            "polysock.c._w",
            "polysock.x",
        ] {
            assert_eq!(subjects.topic(other), None, "{other}");
        }
    }

    #[test]
    fn bare_names_are_subjects_unless_reserved() {
        let subjects = Subjects::new(&Prefix::default());
        for (name, is_there) in [
            ("news", true),
            ("polysock", true),
            ("x.c.YQ", true),
            ("polysock.nodes", false),
            ("", false),
        ] {
            let bare = Topic::Bare(name.into());
            assert_eq!(subjects.has(&bare), is_there, "{name}");
            if is_there {
                assert_eq!(subjects.subject(&bare), name);
                assert_eq!(subjects.topic(name), Some(bare));
            }
        }
    }
}
