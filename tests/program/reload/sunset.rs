//! Rules that end on a given day.

use polysock_test_support::opening::RFC6455;
use time::{Duration, OffsetDateTime};

use super::{Configured, LISTENER, echo_at};

#[test]
fn a_rule_admits_until_its_day_and_the_log_warns_before() {
    let today = OffsetDateTime::now_utc().date();
    let (soon, far) = (today + Duration::days(10), today + Duration::days(100));
    let until = |day: &str| {
        let policy = format!("policy = {{ protocols = \"rfc6455\", until = {day} }}");
        [LISTENER, &echo_at("/chat", &policy)].concat()
    };
    let mut configured = Configured::start("sunset", &until(&soon.to_string()));
    let server = &mut configured.server;
    let line = server.log_line("rule 1 of the policy of /chat ends on");
    assert!(
        line.contains(" WARN ") && line.contains(&soon.to_string()),
        "{line}"
    );
    server.answers(RFC6455, 101);
    let line = configured.reload(&until("2020-02-29"), "rule 1 of the policy of /chat ended");
    assert!(line.contains("2020-02-29"), "{line}");
    let server = &mut configured.server;
    server.answers(RFC6455, 403);
    let line = server.log_line("reason=");
    assert!(
        line.contains("rule 1 of the policy of /chat has ended"),
        "{line}"
    );
    // The day may come from an environment variable.
    let by_variable = until(&format!("\"${{NO_SUCH_DAY:-{far}}}\""));
    configured.reload(&by_variable, super::IN_FORCE);
    configured.server.answers(RFC6455, 101);
    let log = configured.server.stop();
    assert!(!log.contains(&far.to_string()), "{log}");
}
