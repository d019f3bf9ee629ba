//! Spans for a collector of traces, sent by OTLP.
//!
//! ```text
//!   connections ──observer──▶ span ──▶ queue ──▶ exporter ──▶ collector
//!                 no waiting           bounded   a thread     HTTP
//! ```
//!
//! A span of an open connection would last hours, and be exported only after its end. So there is
//! one span for the opening handshake, which ends with the answer, and a short one at the close,
//! which is linked to the first and has the totals. Messages have no spans.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(feature = "otlp")]
mod observer;
#[cfg(feature = "otlp")]
mod span;
#[cfg(not(feature = "otlp"))]
mod without_otlp;

use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "otlp")]
pub(crate) use self::collector::parse_collector;
#[cfg(feature = "otlp")]
pub(crate) use self::exporter::Spans;
#[cfg(not(feature = "otlp"))]
pub(crate) use self::without_otlp::{Spans, parse_collector};

/// The number of spans lost since the start.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The number of spans lost since the start, because the queue was full or the collector did not
/// accept them.
pub(crate) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts lost spans.
#[cfg(feature = "otlp")]
fn count_lost(count: usize) {
    LOST.fetch_add(count as u64, Ordering::Relaxed);
}
