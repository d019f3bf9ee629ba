//! Rules that admit clients by protocol, network and user agent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use ipnet::IpNet;
use polysock_protocols::{Protocol, Rejection};
use tracing::info;

use super::UserAgentPattern;
use crate::telemetry::Address;

/// A rule for clients that meet all of its conditions. The first matching rule decides. A client
/// that no rule matches is admitted.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name in the log. Clients do not receive it.
    pub name: Arc<str>,
    /// The protocols; empty for all, and for ordinary requests too.
    pub protocols: Vec<&'static dyn Protocol>,
    /// The networks; empty for any, including clients without an address. IPv4-mapped IPv6
    /// addresses are treated as IPv4.
    pub networks: Vec<IpNet>,
    /// The user agents; `None` for any, including clients that send none.
    pub user_agent: Option<UserAgentPattern>,
    /// The decision about matching clients.
    pub verdict: Verdict,
    /// True if the rule only logs the clients that it would refuse. The next matching rule decides
    /// about them.
    pub log_only: bool,
}

/// The decision about clients that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Clients are admitted.
    Allow,
    /// Clients are admitted before this time, and refused from then on.
    AllowUntil(SystemTime),
    /// Clients are refused (403).
    Deny,
}

/// The client that rules are checked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleSubject<'a> {
    /// The protocol of an opening handshake; `None` for an ordinary request.
    pub(super) protocol: Option<&'static dyn Protocol>,
    pub(super) address: Option<SocketAddr>,
    pub(super) user_agent: Option<&'a [u8]>,
}

impl Rule {
    /// Admits a client by these rules, or returns the refusal. `now` is called only if a rule
    /// depends on the time.
    pub(super) fn check(
        rules: &[Self],
        asker: RuleSubject<'_>,
        now: impl Fn() -> SystemTime,
    ) -> Result<(), Rejection> {
        for rule in rules.iter().filter(|rule| rule.is_for(asker)) {
            let why = match rule.verdict {
                Verdict::Allow => return Ok(()),
                Verdict::AllowUntil(end) if now() < end => return Ok(()),
                Verdict::AllowUntil(_) => "has ended",
                Verdict::Deny => "denies it",
            };
            let name = &rule.name;
            if !rule.log_only {
                let rejection = Rejection::new(403, "this client is not served here");
                return Err(rejection.because(format_args!("{name} {why}")));
            }
            info!(
                protocol = asker.protocol.map(Protocol::name),
                peer = asker.address.map(Address).map(tracing::field::display),
                reason = format_args!("{name} {why}"),
                "this client would be refused"
            );
        }
        Ok(())
    }

    fn is_for(&self, asker: RuleSubject<'_>) -> bool {
        let is_spoken = |protocol: &dyn Protocol| {
            let mut own = self.protocols.iter();
            own.any(|own| own.name() == protocol.name())
        };
        let is_in = |address: SocketAddr| {
            let address = address.ip().to_canonical();
            let mut networks = self.networks.iter();
            networks.any(|network| network.contains(&address))
        };
        (self.protocols.is_empty() || asker.protocol.is_some_and(is_spoken))
            && (self.networks.is_empty() || asker.address.is_some_and(is_in))
            && self.user_agent.as_ref().is_none_or(|pattern| {
                let agent = asker.user_agent.unwrap_or_default();
                pattern.matches(agent)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use polysock_protocols::find_protocol;

    use super::*;

    /// Parses `protocols networks user_agent verdict`, where `-` is none and `~` before the verdict
    /// is log-only.
    fn rule(text: &str) -> Rule {
        let words: Vec<_> = text.split(' ').collect();
        let [protocols, networks, user_agent, verdict] = words[..] else {
            panic!("{text}");
        };
        let list = |list: &str| -> Vec<String> {
            let list = list.split(',').filter(|word| *word != "-");
            list.map(str::to_owned).collect()
        };
        let (verdict, log_only) = match verdict.strip_prefix('~') {
            Some(verdict) => (verdict, true),
            None => (verdict, false),
        };
        Rule {
            name: text.into(),
            protocols: list(protocols)
                .iter()
                .map(|name| find_protocol(name).unwrap())
                .collect(),
            networks: list(networks)
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
            user_agent: Some(user_agent)
                .filter(|pattern| *pattern != "-")
                .map(UserAgentPattern::from),
            verdict: match verdict {
                "allow" => Verdict::Allow,
                "deny" => Verdict::Deny,
                days => Verdict::AllowUntil(day(days.parse().unwrap())),
            },
            log_only,
        }
    }

    fn day(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(days * 24 * 3600)
    }

    /// The name of the rule that refuses, if one does.
    fn refused_by(rules: &[&str], asker: RuleSubject<'_>, now: SystemTime) -> Option<String> {
        let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
        let rejection = Rule::check(&rules, asker, || now).err()?;
        assert_eq!(rejection.status, 403);
        let told = String::from_utf8(rejection.body.to_vec()).unwrap();
        assert_eq!(told, "this client is not served here\n");
        Some(rejection.cause.unwrap())
    }

    #[test]
    fn the_first_matching_rule_decides() {
        const LAN: &str = "hixie-76 10.0.0.0/8,fd00::/8 - allow";
        const REST: &str = "hixie-75,hixie-76 - - deny";
        const AGENT: &str = "- - *phantomjs/1* deny";
        let rules = [LAN, AGENT, REST];
        let phantom = Some("Mozilla/5.0 PhantomJS/1.9.8 Safari");
        for (protocol, address, agent, expected) in [
            (Some("hixie-76"), Some("10.1.2.3"), phantom, None),
            (Some("hixie-76"), Some("::ffff:10.1.2.3"), None, None),
            (Some("hixie-76"), Some("fd00::7"), None, None),
            (Some("hixie-76"), Some("203.0.113.7"), None, Some(REST)),
            (Some("hixie-76"), Some("203.0.113.7"), phantom, Some(AGENT)),
            (Some("hixie-76"), None, None, Some(REST)),
            (Some("hixie-75"), Some("10.1.2.3"), None, Some(REST)),
            (Some("rfc6455"), Some("10.1.2.3"), phantom, Some(AGENT)),
            (Some("rfc6455"), None, None, None),
            // Ordinary requests.
            (None, Some("203.0.113.7"), None, None),
            (None, Some("203.0.113.7"), phantom, Some(AGENT)),
        ] {
            let asker = RuleSubject {
                protocol: protocol.map(|name| find_protocol(name).unwrap()),
                address: address
                    .map(|address| (address.parse::<std::net::IpAddr>().unwrap(), 1).into()),
                user_agent: agent.map(str::as_bytes),
            };
            let expected = expected.map(|name| format!("{name} denies it"));
            assert_eq!(refused_by(&rules, asker, day(0)), expected, "{asker:?}");
        }
    }

    #[test]
    fn a_rule_admits_until_its_time_and_refuses_afterwards() {
        const SUNSET: &str = "hixie-76 - - 10";
        let asker = RuleSubject {
            protocol: find_protocol("hixie-76"),
            address: None,
            user_agent: None,
        };
        let ended = || Some(format!("{SUNSET} has ended"));
        let second = Duration::from_secs(1);
        for (now, expected) in [
            (day(0), None),
            (day(10) - second, None),
            (day(10), ended()),
            (day(11), ended()),
        ] {
            assert_eq!(refused_by(&[SUNSET, "- - - allow"], asker, now), expected);
        }
    }

    #[test]
    fn a_log_only_rule_leaves_the_decision_to_the_next() {
        let asker = RuleSubject {
            protocol: find_protocol("hixie-75"),
            address: None,
            user_agent: None,
        };
        const REST: &str = "- - - deny";
        for (rules, expected) in [
            (&["hixie-75 - - ~deny"][..], None),
            (&["hixie-75 - - ~10"], None),
            (&["hixie-75 - - ~deny", "hixie-75 - - allow", REST], None),
            (&["hixie-75 - - ~deny", REST], Some("- - - deny denies it")),
        ] {
            let refused = refused_by(rules, asker, day(20));
            assert_eq!(refused.as_deref(), expected, "{rules:?}");
        }
    }
}
