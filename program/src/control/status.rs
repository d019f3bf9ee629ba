//! The state of the server, for people and for programs.

use std::time::{Duration, SystemTime};

use polysock::protocols::Secrets;
use polysock::{MetricFamily, Refusal};
use polysock_instrument::{Explanation, Outcome, ServerSettings};
use serde_json::{Value, json};

use super::metrics::families;
use super::state::State;
use crate::flags::remedy;

/// The version of the format of `/status.json`.
const SCHEMA: u32 = 1;

/// A refusal and its explanation.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) seconds_ago: u64,
    pub(super) id: String,
    pub(super) peer: String,
    pub(super) reason: &'static str,
    pub(super) status: Option<u16>,
    pub(super) detail: String,
    /// The specification of the violated rule, if there is one.
    pub(super) section: Option<&'static str>,
    /// The setting that would admit the client, if there is one.
    pub(super) remedy: Option<String>,
    /// The head of the request, with secrets masked.
    pub(super) head: String,
}

/// Returns the latest refusals.
pub(super) fn refused(state: &State) -> Vec<Refused> {
    let now = SystemTime::now();
    let refusals = state.registry.refusals();
    refusals
        .iter()
        .map(|refusal| explained(refusal, now))
        .collect()
}

fn explained(refusal: &Refusal, now: SystemTime) -> Refused {
    let ago = now.duration_since(refusal.at).unwrap_or(Duration::ZERO);
    let head = refusal.head.as_deref();
    let explanation = head.map(|head| {
        let settings = ServerSettings::default();
        Explanation::of(head, &settings)
    });
    let section = explanation
        .as_ref()
        .and_then(|explanation| match &explanation.verdict {
            Outcome::Refused { section, .. } => *section,
            _ => None,
        });
    let remedy = explanation.and_then(|explanation| explanation.remedy);
    let remedy = remedy.map(|remedy| match remedy::flag(&remedy) {
        Some(flag) => flag,
        None => remedy::advice(&remedy),
    });
    Refused {
        seconds_ago: ago.as_secs(),
        id: refusal.id.to_string(),
        peer: refusal.peer.clone().unwrap_or_default(),
        reason: refusal.reason,
        status: refusal.status,
        detail: refusal.detail.clone(),
        section,
        remedy,
        head: head.map(shown).unwrap_or_default(),
    }
}

/// The head as text, with secrets masked.
fn shown(head: &[u8]) -> String {
    let mut secrets = Secrets::default();
    secrets.collect(head);
    let mut head = head.to_vec();
    secrets.replace(&mut head);
    String::from_utf8_lossy(&head).into_owned()
}

/// The body of `/refusals`.
pub(super) fn refusals_json(state: &State) -> Value {
    let refusals = refused(state).into_iter().map(|refused| {
        json!({
            "seconds_ago": refused.seconds_ago,
            "id": refused.id,
            "peer": refused.peer,
            "reason": refused.reason,
            "status": refused.status,
            "detail": refused.detail,
            "section": refused.section,
            "remedy": refused.remedy,
            "head": refused.head,
        })
    });
    json!({ "refusals": refusals.collect::<Vec<_>>() })
}

/// The body of `/census`.
pub(super) fn census_json(state: &State) -> Value {
    let open = state.registry.connections(|_| true);
    let rows = state.census.rows(&open);
    let rows: Vec<_> = rows.iter().map(super::census::Row::to_json).collect();
    json!({ "rows": rows, "retire": retire(state, &state.registry.families()) })
}

/// The protocols that could be switched off.
pub(super) fn retire(state: &State, metrics: &[MetricFamily]) -> Vec<String> {
    let now = SystemTime::now();
    let since = state.census.since(now - state.began.elapsed());
    let retired = state.census.retired(&protocols(metrics), since, now);
    retired.into_iter().map(|(protocol, _)| protocol).collect()
}

/// The enabled protocols.
fn protocols(metrics: &[MetricFamily]) -> Vec<String> {
    let opened = find(metrics, "polysock_connections");
    let labels = opened.iter().flat_map(|family| &family.samples);
    let mut protocols: Vec<_> = labels
        .filter_map(|sample| sample.label("protocol").map(str::to_owned))
        .collect();
    protocols.sort_unstable();
    protocols.dedup();
    protocols
}

pub(super) fn find<'a>(families: &'a [MetricFamily], name: &str) -> Option<&'a MetricFamily> {
    families.iter().find(|family| family.name == name)
}

/// The body of `/status.json`.
pub(super) fn status_json(state: &State) -> Value {
    let facts = state.facts();
    let metrics = families(state);
    let metrics: serde_json::Map<_, _> = metrics
        .iter()
        .map(|family| (family.name.to_owned(), samples(family)))
        .collect();
    json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.began.elapsed().as_secs(),
        "ready": state.is_ready(),
        "draining": state.registry.is_draining(),
        "workers": state.workers,
        "listeners": facts.listeners,
        "routes": facts.routes,
        "connections": state.registry.connections(|_| true).len(),
        "max_connections": state.max_connections,
        "metrics": metrics,
    })
}

fn samples(family: &MetricFamily) -> Value {
    let samples = family.samples.iter().map(|sample| {
        let labels: serde_json::Map<_, _> = sample
            .labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(&**value)))
            .collect();
        let value = match &sample.value {
            polysock::SampleValue::Count(count) => json!(count),
            polysock::SampleValue::Number(number) => json!(number),
            polysock::SampleValue::Histogram { sum, .. } => {
                json!({ "sum": sum, "count": sample.value.count() })
            }
        };
        json!({ "labels": labels, "value": value })
    });
    samples.collect()
}
