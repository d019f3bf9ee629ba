//! The domains whose Flash movies may connect, computed from the origins of all routes.

use polysock_protocols::FlashDomain;

use super::Origins;

/// Returns the domains that all of these rules admit; `None` if every rule admits all.
///
/// A request for the Flash policy names no route, and an admitted movie can claim any origin. So a
/// domain is listed only if every rule admits it.
pub(super) fn flash_domains<'a>(
    rules: impl IntoIterator<Item = &'a Origins>,
) -> Option<Vec<FlashDomain>> {
    let lists = rules.into_iter().filter_map(Origins::flash_domains);
    let lists: Vec<_> = lists.collect();
    if lists.is_empty() {
        return None;
    }
    let mut domains: Vec<FlashDomain> = Vec::new();
    for domain in lists.iter().flatten() {
        let mut secure = false;
        let is_in_all = lists.iter().all(|list| {
            let mut covering = list.iter().filter(|other| other.covers(domain)).peekable();
            let is_in = covering.peek().is_some();
            // Restricted to `https://` if one of the lists has this domain for `https://` only.
            secure |= covering.all(|other| other.secure);
            is_in
        });
        let is_known = domains.iter().any(|known| known.name == domain.name);
        if is_in_all && !is_known {
            let name = domain.name.clone();
            domains.push(FlashDomain { name, secure });
        }
    }
    Some(domains)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(origins: &str) -> Origins {
        let origins = origins.split_whitespace();
        Origins::Listed(origins.map(|origin| origin.parse().unwrap()).collect())
    }

    #[test]
    fn a_flash_policy_has_only_domains_that_every_route_admits() {
        for (rules, expected) in [
            (&["http://a"][..], "a"),
            (&["https://a https://b:8443"], "a/secure b/secure"),
            // A Flash policy cannot exclude pages that are loaded over `https://`.
            (&["https://a http://a"], "a"),
            (&["http://a https://a"], "a"),
            (
                &["null none same-origin file:// chrome-extension://abc"],
                "",
            ),
            (&["http://a http://b", "https://b http://c"], "b/secure"),
            (&["http://a", "http://b"], ""),
            (
                &["http://*.a.test", "http://b.a.test http://a.test"],
                "b.a.test",
            ),
            (&["http://b.a.test", "https://*.a.test"], "b.a.test/secure"),
            (&["http://*.a.test"], "*.a.test"),
        ] {
            let rules: Vec<_> = rules.iter().map(|origins| listed(origins)).collect();
            let domains = flash_domains(rules.iter().chain([&Origins::Any]));
            let shown = domains.unwrap().into_iter().map(|domain| {
                let secure = if domain.secure { "/secure" } else { "" };
                domain.name + secure
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{rules:?}");
        }
        assert_eq!(flash_domains([&Origins::Any]), None);
        assert_eq!(flash_domains([]), None);
    }
}
