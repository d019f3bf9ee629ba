//! Whose Flash movies may connect, by the origins of all routes.

use polysock_protocols::FlashDomain;

use super::Origins;

/// The domains that all of these rules let in; `None` where they let in all.
///
/// Who asks for the policy of Flash does not say for which route, and a movie that is let in can name any
/// origin: so it is let in nowhere, unless it is let in everywhere.
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
            // By `https://` alone, where one of the lists has nothing else.
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
    fn a_movie_is_let_in_where_every_route_lets_its_domain_in() {
        for (rules, expected) in [
            (&["http://a"][..], "a"),
            (&["https://a https://b:8443"], "a/secure b/secure"),
            // To say that a page may not come by https:// there is no way.
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
