//! Asks the targets again and again whether they are well.

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

/// How targets are asked whether they are well.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// How often, give or take a tenth. Default: 5 seconds.
    pub interval: Duration,
    /// What web servers (`ws://`, `http://`, and those within TLS) are asked for; others, and all of them where it is `None`,
    /// the default, need only accept a connection.
    pub path: Option<String>,
    /// Within which time they answer. Default: 2 seconds.
    pub timeout: Duration,
    /// So many checks in a row must pass until a target that is down is up. Default: 2.
    pub rise: u32,
    /// So many must fail until one that is up is down. Default: 3.
    pub fall: u32,
    /// The statuses of an answer that passes. Default: 200 to 399.
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

/// Checks the targets, and those that take their place, until it is dropped.
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
        // The aborted are not kept.
        while tasks.try_join_next().is_some() {}
    }
}

/// Its task keeps a member where it is, so no two have the same.
fn key_of(member: &Arc<Member>) -> usize {
    Arc::as_ptr(member).addr()
}

async fn repeat(member: Arc<Member>, probe: Probe, check: Arc<HealthCheck>) {
    let runs = Runs {
        rise: check.rise,
        fall: check.fall,
    };
    // Not all at the same moment.
    sleep(check.interval.min(Duration::from_secs(1)).mul_f64(chance())).await;
    loop {
        let checking = probe.run(check.path.as_deref(), &check.status);
        let result = timeout(check.timeout, checking).await;
        let in_time = result.unwrap_or_else(|_| Err("it does not answer in time".into()));
        member.checked(in_time, runs);
        sleep(check.interval.mul_f64(0.9 + 0.2 * chance())).await;
    }
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut byte = [0];
    entropy(&mut byte);
    f64::from(byte[0]) / 255.0
}
