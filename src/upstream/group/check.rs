//! The health checks of targets, which are repeated.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::health::Runs;
use super::members::Members;
use super::probe::Probe;
use super::target::Member;
use crate::random::entropy;

/// The settings of health checks.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// The time between two checks, give or take a tenth. Default: 5 seconds.
    pub interval: Duration,
    /// The path that is requested from web servers (`ws://`, `http://`, and the same over TLS).
    /// Other targets need only accept a connection, and so do all targets if it is `None`, the
    /// default.
    pub path: Option<String>,
    /// The time within which a target must answer. Default: 2 seconds.
    pub timeout: Duration,
    /// The number of checks in a row that must pass before a target that is down is up. Default: 2.
    pub rise: u32,
    /// The number of checks in a row that must fail before a target that is up is down. Default: 3.
    pub fall: u32,
    /// The statuses of an answer with which a check passes. Default: 200 to 399.
    pub status: Vec<RangeInclusive<u16>>,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            path: None,
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            status: vec![200..=399],
        }
    }
}

/// Checks the targets, and those that replace them, until the future is dropped.
pub(super) async fn watch(members: Arc<Members>, check: Arc<HealthCheck>) {
    let mut tasks = JoinSet::new();
    let mut running = HashMap::new();
    loop {
        let changed = members.changed();
        let list = members.list();
        let is_there = |key: &usize| list.iter().any(|member| key_of(member) == *key);
        let gone = running.extract_if(|key, _| !is_there(key));
        gone.for_each(|(_, task): (_, tokio::task::AbortHandle)| task.abort());
        for member in list.iter() {
            let Some(probe) = &member.target.probe else {
                continue;
            };
            running.entry(key_of(member)).or_insert_with(|| {
                let checking = repeat(Arc::clone(member), probe.clone(), Arc::clone(&check));
                tasks.spawn(checking)
            });
        }
        changed.await;
        // Removes the aborted tasks from the set.
        while tasks.try_join_next().is_some() {}
    }
}

/// Returns a unique key: the task of a member keeps it in memory, so no other has its address.
fn key_of(member: &Arc<Member>) -> usize {
    Arc::as_ptr(member).addr()
}

async fn repeat(member: Arc<Member>, probe: Probe, check: Arc<HealthCheck>) {
    let runs = Runs {
        rise: check.rise,
        fall: check.fall,
    };
    // Spreads the first checks over time.
    sleep(check.interval.min(Duration::from_secs(1)).mul_f64(chance())).await;
    loop {
        let checking = probe.run(check.path.as_deref(), &check.status);
        let result = timeout(check.timeout, checking).await;
        let in_time = result.unwrap_or_else(|_| Err("no answer in time".into()));
        member.checked(in_time, runs);
        sleep(check.interval.mul_f64(0.9 + 0.2 * chance())).await;
    }
}

/// Returns a random number from 0 to 1.
fn chance() -> f64 {
    let mut byte = [0];
    entropy(&mut byte);
    f64::from(byte[0]) / 255.0
}
