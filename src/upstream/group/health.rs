//! The health of a target, as a state machine that receives events with their times.

use std::time::Duration;

use tokio::time::Instant;

/// The rules for ejecting a target because of failed connections of its clients, and for its
/// return.
#[derive(Clone, Debug, PartialEq)]
pub struct Ejection {
    /// The number of failures in a row that eject a target. A target that does not answer in time
    /// is ejected immediately. Default: 3.
    pub failures: u32,
    /// The time within which failures count as a row. Default: 10 seconds.
    pub within: Duration,
    /// The first time for which a target is ejected. Then one client at a time tries it. Default: 1
    /// second.
    pub back_off: Duration,
    /// The longest time for which a target is ejected. The time doubles with every trial that
    /// fails. Default: 30 seconds.
    pub max_back_off: Duration,
    /// The time over which a returning target regains its full share; zero, the default, for
    /// immediately.
    pub slow_start: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 3,
            within: Duration::from_secs(10),
            back_off: Duration::from_secs(1),
            max_back_off: Duration::from_secs(30),
            slow_start: Duration::ZERO,
        }
    }
}

/// The number of checks in a row that change the state of a target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Runs {
    /// The checks that must pass if the target is down.
    pub(super) rise: u32,
    /// The checks that must fail if the target is up.
    pub(super) fall: u32,
}

/// The clients that a target may get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Standing {
    /// Clients for this part of its share, above 0 and up to 1.
    In(f64),
    /// A single client, as a trial.
    Trial,
    /// No clients. The target may return at this time; `None` if that is unknown.
    Out(Option<Instant>),
}

/// A change that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Up,
    Down,
}

/// The health of one target.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// The number of failures in a row.
    failed: u32,
    /// The time of the first of them.
    failing_since: Option<Instant>,
    /// The ejection; `None` if the target is not ejected.
    out: Option<Out>,
    /// Whether the target is down according to its checks.
    is_down: bool,
    /// The number of checks in a row that contradict `is_down`.
    contradicted: u32,
    /// The time of the last return; `None` if the target was never out.
    back_since: Option<Instant>,
    back_off: Duration,
}

#[derive(Debug)]
struct Out {
    until: Instant,
    /// Whether a client is trying the target.
    is_tried: bool,
}

/// The part of its share with which a returning target begins.
const FIRST_SHARE: f64 = 0.05;

impl Health {
    pub(super) fn standing(&self, now: Instant, ejection: &Ejection) -> Standing {
        if self.is_down {
            return Standing::Out(None);
        }
        match &self.out {
            None => Standing::In(self.share(now, ejection.slow_start)),
            Some(Out { until, is_tried }) if *is_tried || now < *until => {
                Standing::Out(Some((*until).max(now)))
            }
            Some(_) => Standing::Trial,
        }
    }

    /// Begins a trial by a client. Returns false if another is under way.
    pub(super) fn begin_trial(&mut self) -> bool {
        let out = self.out.as_mut();
        out.is_some_and(|out| !std::mem::replace(&mut out.is_tried, true))
    }

    /// Ends the trial of a client without a result.
    pub(super) fn end_trial(&mut self) {
        if let Some(out) = &mut self.out {
            out.is_tried = false;
        }
    }

    /// Records that a client was connected.
    pub(super) fn succeeded(&mut self, now: Instant) -> Option<Change> {
        self.failed = 0;
        self.failing_since = None;
        self.out.take()?;
        self.back_since = Some(now);
        Some(Change::Up)
    }

    /// Records that a client could not be connected. `at_once` tells that the next client would
    /// fail as well.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        at_once: bool,
        is_trial: bool,
        ejection: &Ejection,
    ) -> Option<Change> {
        if self.out.is_some() {
            if is_trial {
                self.back_off = (self.back_off * 2).min(ejection.max_back_off);
                self.take_out(now);
            }
            return None;
        }
        match self.failing_since {
            Some(since) if now - since <= ejection.within => self.failed += 1,
            Some(_) | None => (self.failing_since, self.failed) = (Some(now), 1),
        }
        if !at_once && self.failed < ejection.failures {
            return None;
        }
        let is_relapse = self
            .back_since
            .is_some_and(|since| now - since <= ejection.within);
        self.back_off = if is_relapse {
            (self.back_off * 2).clamp(ejection.back_off, ejection.max_back_off)
        } else {
            ejection.back_off
        };
        self.take_out(now);
        Some(Change::Down)
    }

    /// Records that a check has passed or failed.
    pub(super) fn checked(&mut self, now: Instant, passed: bool, runs: Runs) -> Option<Change> {
        if passed != self.is_down {
            self.contradicted = 0;
            return None;
        }
        self.contradicted += 1;
        let enough = if passed { runs.rise } else { runs.fall };
        if self.contradicted < enough {
            return None;
        }
        self.contradicted = 0;
        self.is_down = !passed;
        if !passed {
            return Some(Change::Down);
        }
        // The checks count as the trial.
        self.out = None;
        self.failed = 0;
        self.back_since = Some(now);
        Some(Change::Up)
    }

    fn take_out(&mut self, now: Instant) {
        self.out = Some(Out {
            until: now + self.back_off,
            is_tried: false,
        });
    }

    fn share(&self, now: Instant, slow_start: Duration) -> f64 {
        let Some(since) = self.back_since.filter(|_| !slow_start.is_zero()) else {
            return 1.0;
        };
        let part = (now - since).as_secs_f64() / slow_start.as_secs_f64();
        part.clamp(FIRST_SHARE, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ejection() -> Ejection {
        Ejection {
            slow_start: 10 * SECOND,
            max_back_off: 3 * SECOND,
            ..Ejection::default()
        }
    }

    #[test]
    fn failures_in_a_row_take_a_target_out_and_others_do_not() {
        let (mut health, start) = (Health::default(), Instant::now());
        let fail = |health: &mut Health, at| health.failed(start + at, false, false, &ejection());
        for at in [0, 1] {
            assert_eq!(fail(&mut health, at * SECOND), None);
        }
        health.succeeded(start + 2 * SECOND);
        // The last two are more than ten seconds after the first.
        for at in [3, 4, 14, 15] {
            assert_eq!(fail(&mut health, at * SECOND), None, "{at}");
        }
        assert_eq!(fail(&mut health, 16 * SECOND), Some(Change::Down));
        // Failures of clients that were already connecting change nothing.
        assert_eq!(fail(&mut health, 16 * SECOND), None);
        let standing = health.standing(start + 16 * SECOND, &ejection());
        assert_eq!(standing, Standing::Out(Some(start + 17 * SECOND)));
    }

    #[test]
    fn an_ejected_target_is_tried_by_one_client_at_growing_intervals() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        health.failed(now, true, false, &ejection());
        for back_off in [1, 2, 3, 3] {
            let until = now + back_off * SECOND;
            let before = until - Duration::from_millis(1);
            let standing = health.standing(before, &ejection());
            assert_eq!(standing, Standing::Out(Some(until)));
            assert_eq!(health.standing(until, &ejection()), Standing::Trial);
            assert!(health.begin_trial());
            assert!(!health.begin_trial(), "another at the same time");
            assert!(matches!(
                health.standing(until, &ejection()),
                Standing::Out(_)
            ));
            // A client that hangs up leaves the trial to the next.
            health.end_trial();
            assert_eq!(health.standing(until, &ejection()), Standing::Trial);
            assert!(health.begin_trial());
            now = until;
            assert_eq!(health.failed(now, false, true, &ejection()), None);
        }
        now += 3 * SECOND;
        assert!(health.begin_trial());
        assert_eq!(health.succeeded(now), Some(Change::Up));
        for (after, share) in [(0, FIRST_SHARE), (5, 0.5), (10, 1.0), (100, 1.0)] {
            let standing = health.standing(now + after * SECOND, &ejection());
            assert_eq!(standing, Standing::In(share), "{after}");
        }
    }

    #[test]
    fn checks_in_a_row_bring_a_target_down_and_up() {
        let (mut health, now) = (Health::default(), Instant::now());
        let runs = Runs { rise: 2, fall: 3 };
        let expected = [
            (false, None),
            (false, None),
            (true, None),
            (false, None),
            (false, None),
            (false, Some(Change::Down)),
            (false, None),
            (true, None),
            (false, None),
            (true, None),
            (true, Some(Change::Up)),
            (true, None),
        ];
        for (number, (passed, change)) in expected.into_iter().enumerate() {
            assert_eq!(health.checked(now, passed, runs), change, "{number}");
            let is_in = health.standing(now, &Ejection::default()) == Standing::In(1.0);
            assert_eq!(is_in, !(5..10).contains(&number), "{number}");
        }
    }

    #[test]
    fn passing_checks_do_not_readmit_a_target_that_fails_clients() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.failed(now, true, false, &ejection());
        health.checked(now, true, Runs { rise: 1, fall: 1 });
        assert!(matches!(
            health.standing(now, &ejection()),
            Standing::Out(Some(_))
        ));
    }
}
