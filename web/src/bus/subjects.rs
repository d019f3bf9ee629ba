//! What channels are called at a broker.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use polysock::bus::Topic;

use super::settings::Prefix;

/// The names of topics at a broker, and back: `PREFIX.nodes`, and `PREFIX.c.NAME` for a channel. Names of channels are
/// any text, so they are in base64, which means nothing to any broker.
#[derive(Clone, Debug)]
pub(super) struct Subjects {
    nodes: String,
    channels: String,
}

/// Where the name of a channel would be, if it is empty. It is no base64.
const EMPTY: &str = "=";

impl Subjects {
    pub(super) fn new(prefix: &Prefix) -> Self {
        Self {
            nodes: format!("{prefix}.nodes"),
            channels: format!("{prefix}.c."),
        }
    }

    /// Of all topics that something is published on. For all channels it ends in `*`, which is a wildcard to Redis and
    /// NATS alike.
    pub(super) fn subject(&self, topic: &Topic) -> String {
        match topic {
            Topic::Channel(name) => format!("{}{}", self.channels, token(name)),
            Topic::Channels => format!("{}*", self.channels),
            Topic::Nodes => self.nodes.clone(),
        }
    }

    /// Where something was published. `None` if it was by somebody who has other names.
    pub(super) fn topic(&self, subject: &str) -> Option<Topic> {
        if subject == self.nodes {
            return Some(Topic::Nodes);
        }
        let name = match subject.strip_prefix(&self.channels)? {
            EMPTY => String::new(),
            "" => return None,
            token => String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?,
        };
        Some(Topic::Channel(Arc::from(name)))
    }
}

/// The name of a channel in names of a broker.
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
    fn any_name_comes_back() {
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
    fn names_of_others_are_none() {
        let subjects = Subjects::new(&Prefix::default());
        for other in [
            "polysock",
            "polysock.c.",
            "polysock.c.a b",
            "polysock.c._w",
            "x.c.YQ",
        ] {
            assert_eq!(subjects.topic(other), None, "{other}");
        }
    }
}
