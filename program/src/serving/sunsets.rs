//! Policy rules with an end date, and the warnings about them.

use std::time::Duration;

use time::{Date, OffsetDateTime};
use tokio::time::sleep;
use tracing::warn;

use crate::config::Config;

/// The number of days before its end from which a rule is warned of.
const AHEAD: i64 = 30;

/// The interval at which the date is checked. One long sleep would be wrong: a machine may sleep,
/// and its clock may be set.
const LOOK: Duration = Duration::from_secs(600);

/// The rules of all routes that have an end date.
#[derive(Clone, Debug, Default)]
pub(super) struct Sunsets(Vec<Sunset>);

#[derive(Clone, Debug)]
struct Sunset {
    /// The title of the rule.
    rule: String,
    until: Date,
}

impl Sunsets {
    /// Collects the rules of a configuration that have an end date.
    pub(super) fn of(config: &Config) -> Self {
        let sunsets = config.routes.iter().flat_map(|route| {
            let rules = route.settings.policy.iter().enumerate();
            rules.filter_map(|(index, rule)| {
                Some(Sunset {
                    rule: route.rule_title(index),
                    until: rule.until?,
                })
            })
        });
        Self(sunsets.collect())
    }

    /// Warns of rules that have ended or will end soon, now and on each new day.
    pub(super) async fn warn(self) {
        let today = || OffsetDateTime::now_utc().date();
        self.warn_of(today(), |warning| warn!("{warning}"));
        each_day(today, |today| {
            self.warn_of(today, |warning| warn!("{warning}"));
        })
        .await;
    }

    fn warn_of(&self, today: Date, tell: impl Fn(String)) {
        for Sunset { rule, until } in &self.0 {
            let left = (*until - today).whole_days();
            let then = "its clients are refused from then on";
            match left {
                ..0 => tell(format!(
                    "{rule} ended on {until}: its clients are refused; remove it, or give it a later \
                     date"
                )),
                0 => tell(format!("{rule} ends today, in UTC: {then}")),
                1..=AHEAD => tell(format!(
                    "{rule} ends on {until}, {left} days from now: {then}"
                )),
                _ => {}
            }
        }
    }
}

/// Calls `tell` with each new day.
async fn each_day(today: impl Fn() -> Date, mut tell: impl FnMut(Date)) {
    let mut last = today();
    loop {
        sleep(LOOK).await;
        let now = today();
        if now != last {
            last = now;
            tell(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use time::Month;
    use tokio::time::{Instant, timeout};

    use super::*;

    fn june(day: u8) -> Date {
        Date::from_calendar_date(2027, Month::June, day).unwrap()
    }

    #[test]
    fn warns_from_thirty_days_before_the_end() {
        let sunsets = Sunsets(vec![Sunset {
            rule: "rule 1 of the policy of /old".into(),
            until: june(30),
        }]);
        let warned = |today: Date| {
            let warned = RefCell::new(Vec::new());
            sunsets.warn_of(today, |warning| warned.borrow_mut().push(warning));
            warned.into_inner().concat()
        };
        let first = june(30).saturating_sub(time::Duration::days(30));
        assert_eq!(warned(first.previous_day().unwrap()), "");
        for (today, expected) in [
            (
                first,
                "rule 1 of the policy of /old ends on 2027-06-30, 30 days from now: ",
            ),
            (
                june(29),
                "rule 1 of the policy of /old ends on 2027-06-30, 1 days from now: ",
            ),
            (
                june(30),
                "rule 1 of the policy of /old ends today, in UTC: ",
            ),
            (
                june(30).next_day().unwrap(),
                "rule 1 of the policy of /old ended on 2027-06-30: ",
            ),
        ] {
            let warned = warned(today);
            assert!(warned.starts_with(expected), "{today}: {warned}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_day_is_reported_once() {
        let began = Instant::now();
        let today = || {
            let days = (began.elapsed().as_secs() + 3 * 3600) / (24 * 3600);
            june(1).saturating_add(time::Duration::days(i64::try_from(days).unwrap()))
        };
        let told = RefCell::new(Vec::new());
        let days = each_day(today, |day| told.borrow_mut().push(day));
        let _ = timeout(Duration::from_secs(3 * 24 * 3600), days).await;
        assert_eq!(told.into_inner(), [june(2), june(3), june(4)]);
    }
}
