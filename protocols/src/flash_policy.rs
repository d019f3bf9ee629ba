//! The socket policy of Flash, which lists the domains whose movies may open connections.

use std::fmt::Write;

/// A domain whose movies may open connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashDomain {
    /// The name, or `*.` and a name for all its subdomains.
    pub name: String,
    /// Whether the movie's page must have been loaded by `https://`.
    pub secure: bool,
}

impl FlashDomain {
    /// True if this entry matches all names that another matches, ignoring `secure`.
    pub fn covers(&self, other: &Self) -> bool {
        let (name, other) = (&*self.name, &*other.name);
        name == other
            || name.strip_prefix('*').is_some_and(|parent| {
                let below = other.strip_suffix(parent);
                below.is_some_and(|label| !label.is_empty())
            })
    }
}

/// Returns the policy that allows movies of these domains to open connections to this port; `None`
/// means all domains, or any port. Pass the port on which Flash sent its request.
///
/// A movie controls all bytes of such a connection, including the origin of its page: the policy is
/// the only check.
pub fn flash_policy(port: Option<u16>, domains: Option<&[FlashDomain]>) -> String {
    let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    let mut policy = String::from("<?xml version=\"1.0\"?><cross-domain-policy>");
    let Some(domains) = domains else {
        let all = format!("<allow-access-from domain=\"*\" to-ports=\"{port}\"/>");
        return policy + &all + END;
    };
    // A name with other characters would need escaping, and is not a host name: it is left out.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._*:[]".contains(c);
    for FlashDomain { name, secure } in domains {
        if name.chars().all(is_plain) {
            // Writing to a string cannot fail.
            let _ = write!(
                policy,
                "<allow-access-from domain=\"{name}\" to-ports=\"{port}\" secure=\"{secure}\"/>"
            );
        }
    }
    policy + END
}

const END: &str = "</cross-domain-policy>\0";

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str, secure: bool) -> FlashDomain {
        FlashDomain {
            name: name.to_owned(),
            secure,
        }
    }

    #[test]
    fn a_policy_names_the_domains_and_the_port() {
        let domains = [
            domain("a.example", true),
            domain("*.b.example", false),
            domain("c\" domain=\"*", false),
            domain("c&amp;", false),
        ];
        assert_eq!(
            flash_policy(Some(843), Some(&domains)),
            "<?xml version=\"1.0\"?><cross-domain-policy>\
             <allow-access-from domain=\"a.example\" to-ports=\"843\" secure=\"true\"/>\
             <allow-access-from domain=\"*.b.example\" to-ports=\"843\" secure=\"false\"/>\
             </cross-domain-policy>\0"
        );
        assert_eq!(
            flash_policy(None, Some(&[])),
            "<?xml version=\"1.0\"?><cross-domain-policy></cross-domain-policy>\0"
        );
        assert_eq!(
            flash_policy(None, None),
            "<?xml version=\"1.0\"?><cross-domain-policy>\
             <allow-access-from domain=\"*\" to-ports=\"*\"/></cross-domain-policy>\0"
        );
    }

    #[test]
    fn a_domain_covers_itself_and_a_wildcard_its_subdomains() {
        for (one, other, covers) in [
            ("a.example", "a.example", true),
            ("a.example", "b.a.example", false),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "*.a.example", true),
            ("*.a.example", "*.b.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "ba.example", false),
            ("b.a.example", "*.a.example", false),
        ] {
            let (one, other) = (domain(one, true), domain(other, false));
            assert_eq!(one.covers(&other), covers, "{one:?} {other:?}");
        }
    }
}
