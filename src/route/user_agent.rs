//! The pattern for the user agents of a rule.

use std::fmt;

/// A pattern of user agents: a text in which `*` stands for any characters, as `*PhantomJS/1*`.
/// Case is ignored. The empty pattern matches clients that send no user agent, and `*` matches all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgentPattern {
    text: String,
}

impl UserAgentPattern {
    /// True if this user agent matches.
    pub fn matches(&self, agent: &[u8]) -> bool {
        let Some((begin, rest)) = self.text.split_once('*') else {
            return agent.eq_ignore_ascii_case(self.text.as_bytes());
        };
        let begins = |text: &[u8], with: &str| {
            let start = text.get(..with.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
        };
        if !begins(agent, begin) {
            return false;
        }
        let mut left = agent.get(begin.len()..).unwrap_or_default();
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            // The first match suffices, because it leaves the most text for the remaining parts.
            let at = (0..=left.len()).find(|at| begins(left.get(*at..).unwrap_or_default(), part));
            let Some(at) = at else { return false };
            left = left.get(at + part.len()..).unwrap_or_default();
        }
        let end_at = left.len().checked_sub(end.len());
        end_at.is_some_and(|at| begins(left.get(at..).unwrap_or_default(), end))
    }
}

impl From<&str> for UserAgentPattern {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

/// Writes the text of the pattern.
impl fmt::Display for UserAgentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_text() {
        for (pattern, agents, others) in [
            (
                "*PhantomJS*",
                &["Mozilla PhantomJS/1", "phantomjs", "xPHANTOMJSx"][..],
                &["", "Phantom JS"][..],
            ),
            (
                "Mozilla/*Firefox/6.*",
                &["Mozilla/5.0 Firefox/6.0", "mozilla/firefox/6."],
                &["Mozilla/5.0", "x Mozilla/ Firefox/6.0"],
            ),
            ("*/6", &["Firefox/6", "/6/6"], &["Firefox/60", "Firefox/6 "]),
            ("Kiosk*", &["Kiosk", "kiosk 2"], &["a Kiosk", ""]),
            ("a*a", &["aa", "aba"], &["a", "ab", ""]),
            ("a*b*b*c", &["abbc", "a1b2b3c"], &["abc", "abbcd"]),
            ("**", &["", "x"], &[]),
            ("*", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("curl/7", &["curl/7", "CURL/7"], &["curl/7.1", "curl"]),
            ("*ü*", &["ü", "xü"], &["u"]),
        ] {
            let pattern = UserAgentPattern::from(pattern);
            for agent in agents {
                assert!(pattern.matches(agent.as_bytes()), "{pattern} {agent}");
            }
            for other in others {
                assert!(!pattern.matches(other.as_bytes()), "{pattern} {other}");
            }
        }
        assert!(!UserAgentPattern::from("*a*").matches(b"\xff\xfe"));
    }

    #[test]
    fn a_pattern_of_many_stars_is_matched_without_backtracking() {
        // A matcher that backtracks would practically not end.
        let pattern = UserAgentPattern::from(&*"*a".repeat(100));
        assert!(!pattern.matches(&[b'a'; 60]));
        assert!(!UserAgentPattern::from("*a*a*a*a*a*a*b").matches(&[b'a'; 16 * 1024]));
    }
}
