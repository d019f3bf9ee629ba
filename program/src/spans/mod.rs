//! Spans for a collector of traces, which are sent by OTLP.
//!
//! ```text
//!   connections ──observer──▶ span ──▶ queue ──▶ exporter ──▶ collector
//!                 no waiting           bounded   a thread     HTTP
//! ```
//!
//! A span of an open connection would be hours long, and be there only behind it. So there is one for the
//! opening handshake, which ends with the answer, and a short one at the close, which is linked to that and has
//! the sums; messages have none.

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

/// How many spans were lost since the start.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many spans were lost since the start: there was no room for them, or the collector did not take them.
pub(crate) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts spans that are lost.
#[cfg(feature = "otlp")]
fn count_lost(count: usize) {
    LOST.fetch_add(count as u64, Ordering::Relaxed);
}
