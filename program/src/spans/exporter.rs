//! The thread that sends spans.

use std::mem::{replace, take};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use polysock::Registry;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout_at};
use tracing::{info, warn};

use super::collector::{Collector, PATIENCE};
use super::observer::Spanning;
use super::{count_lost, lost};

/// The capacity of the queue, in spans. Spans beyond it are lost.
const ROOM: usize = 4096;

/// The number of spans per request.
const BATCH: usize = 512;

/// The time that spans gather.
const GATHERING: Duration = Duration::from_secs(1);

/// The time that the end of the process waits for the last spans to be sent.
const GOODBYE: Duration = Duration::from_secs(3);

/// The minimum interval between reports of lost spans.
const TELLING: Duration = Duration::from_secs(10);

/// The exporter of a server's spans.
#[derive(Debug)]
pub(crate) struct Spans {
    finish: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Spans {
    /// Starts to export spans of the connections in this registry.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or the thread cannot be started.
    pub(crate) fn start(url: &str, registry: &Registry) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("spans cannot be sent: {error}");
        // The OTLP specification appends this path to a URL for all signals.
        let url = format!("{}/v1/traces", url.trim_end_matches('/'));
        let collector = Collector::new(&url).map_err(|error| told(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector.clone())
            .with_endpoint(url)
            .with_timeout(PATIENCE)
            .build();
        let mut exporter = exporter.map_err(|error| told(&error))?;
        exporter.set_resource(&resource());
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| told(&error))?;
        let (queue, waiting) = mpsc::channel(ROOM);
        let (finish, finished) = oneshot::channel();
        let sending = Sending {
            exporter,
            collector,
            told: lost(),
            last_told: None,
            is_failing: false,
        };
        let thread = thread::Builder::new().name("spans".to_owned());
        let thread = thread.spawn(move || runtime.block_on(sending.run(waiting, finished)));
        let thread = thread.map_err(|error| told(&error))?;
        registry.observe(Arc::new(Spanning::new(queue)));
        Ok(Self { finish, thread })
    }

    /// Sends the queued spans, as far as the collector accepts them in time.
    pub(crate) fn finish(self) {
        let _ = self.finish.send(());
        // A panic of the thread has been logged already.
        let _ = self.thread.join();
    }
}

/// The OpenTelemetry resource. The environment may override it.
fn resource() -> Resource {
    let mut resource = Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("polysock");
    }
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    resource.with_attribute(version).build()
}

/// The state of the sending thread.
struct Sending {
    exporter: SpanExporter,
    collector: Collector,
    /// The number of lost spans at the last report.
    told: u64,
    last_told: Option<Instant>,
    /// True if the last request failed.
    is_failing: bool,
}

impl Sending {
    /// Sends spans as they arrive, until `finished`.
    async fn run(
        mut self,
        mut waiting: mpsc::Receiver<SpanData>,
        mut finished: oneshot::Receiver<()>,
    ) {
        let mut batch = Vec::new();
        let end = loop {
            tokio::select! {
                () = gather(&mut waiting, &mut batch) => {}
                _ = &mut finished => break Instant::now() + GOODBYE,
            }
            let count = batch.len();
            let mut sending = pin!(self.send(take(&mut batch)));
            tokio::select! {
                () = &mut sending => {}
                _ = &mut finished => {
                    let end = Instant::now() + GOODBYE;
                    if timeout_at(end.into(), sending).await.is_err() {
                        count_lost(count);
                    }
                    break end;
                }
            }
        };
        while Instant::now() < end {
            while batch.len() < BATCH
                && let Ok(span) = waiting.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                break;
            }
            let count = batch.len();
            let sending = self.send(take(&mut batch));
            if timeout_at(end.into(), sending).await.is_err() {
                count_lost(count);
            }
        }
        count_lost(batch.len() + waiting.len());
        self.tell_losses();
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len();
        match self.exporter.export(batch).await {
            Ok(()) => {
                if take(&mut self.is_failing) {
                    info!("sending of spans works again");
                    self.tell_losses();
                }
                let is_recent = |told: Instant| told.elapsed() < TELLING;
                if !self.last_told.is_some_and(is_recent) {
                    self.tell_losses();
                }
            }
            Err(error) => {
                count_lost(count);
                if !replace(&mut self.is_failing, true) {
                    let problem = self.collector.take_problem();
                    let problem = problem.unwrap_or_else(|| error.to_string());
                    warn!("spans cannot be sent, and are lost: {problem}");
                }
            }
        }
    }

    /// Reports the number of spans lost since the last report.
    fn tell_losses(&mut self) {
        let lost = lost();
        let count = lost - replace(&mut self.told, lost);
        if count > 0 {
            self.last_told = Some(Instant::now());
            warn!(count, "spans were lost");
        }
    }
}

/// Waits for spans, and collects those that follow soon.
///
/// Cancel safe: received spans are in the batch.
async fn gather(waiting: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if batch.is_empty() && waiting.recv_many(batch, BATCH).await == 0 {
        // All senders are dropped.
        return std::future::pending().await;
    }
    let mut late = pin!(sleep(GATHERING));
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        tokio::select! {
            count = waiting.recv_many(batch, room) => if count == 0 { return },
            () = &mut late => return,
        }
    }
}
