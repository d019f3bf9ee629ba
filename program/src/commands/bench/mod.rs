//! `polysock bench`.

mod live;
mod load;
mod report;
mod tally;

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use polysock::protocols::hide_secrets;
use polysock::upstream::WebSocketUpstream;
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep};
use tokio_util::sync::CancellationToken;
use tracing::error;

use self::live::Live;
use self::load::{Load, Payload};
use self::report::Report;
use self::tally::{SharedTally, Tally, latencies, record};
use crate::descriptors;
use crate::exit::Exit;
use crate::flags::dial::DialFlags;
use crate::flags::server::ServerFlags;
use crate::flags::values;

/// Load a WebSocket echo server in any protocol, and measure throughput and latency
///
/// Opens the connections, keeps messages in flight on each (the next message is sent for every
/// answer), and prints messages per second, MiB of payload per second (one way), and percentiles of
/// the time from a message to its answer and of the time to open a connection. Ctrl-C ends the
/// measurement early; the results are still printed. One thread. Exit codes: 0 measured, 1 no
/// message was answered, 2 wrong usage, 3 no connection.
#[derive(Args, Debug)]
#[command(after_long_help = KEYS)]
pub(crate) struct Bench {
    #[command(flatten)]
    server: ServerFlags,

    /// Number of connections
    #[arg(long, value_name = "COUNT", default_value = "1")]
    connections: NonZeroUsize,

    /// Payload size of a message: bytes, KiB or MiB, at most 1GiB
    #[arg(long, value_name = "SIZE", value_parser = payload_size, default_value = "64")]
    size: usize,

    /// Number of messages in flight on each connection
    #[arg(long, value_name = "COUNT", default_value = "1")]
    in_flight: NonZeroUsize,

    /// Duration of the measurement, once the connections are open
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "10s")]
    duration: Duration,

    /// Send text messages; otherwise binary ones, in protocols that have them
    #[arg(long)]
    text: bool,

    /// Treat the server as a bridge to an echoing byte stream, as `polysock serve tcp://…`: a
    /// message is answered once as many bytes as it contains have come back, in any number of
    /// messages
    #[arg(long)]
    byte_stream: bool,

    #[command(flatten)]
    dial: DialFlags,

    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

const KEYS: &str = "\
The keys of --json:
  url, protocol, kind (text or binary), size, in_flight, byte_stream, connections
                        The options of the run.
  opened                Number of connections that opened.
  seconds               Duration of the measurement; interrupted: whether Ctrl-C ended it.
  messages              Number of messages that were answered.
  messages_per_second, mib_per_second   The same per second, and their payload, one way.
  latency_us, setup_us  Objects with p50, p90, p99, p999 and max, in microseconds: from passing a
                        message to the connection to the end of its answer; from the start of a
                        connection to the end of its opening handshake. null if there are none.
  errors                Object with the number of failed connections for each reason.";

/// The number of simultaneous opening handshakes. A listener's backlog holds them.
const OPENING: usize = 64;

/// The error of a connection that never answered.
const NO_ANSWER: &str = "the server did not answer";

/// The error of empty messages to a byte stream.
const NO_BYTES: &str = "--byte-stream counts bytes, and --size 0 has none: write at least 1";

/// The interval of the progress line.
const LIVE: Duration = Duration::from_secs(1);

/// The time that servers have to close after the report.
const CLOSING: Duration = Duration::from_secs(1);

fn payload_size(text: &str) -> Result<usize, String> {
    match values::size(text)? {
        size if size <= 1 << 30 => usize::try_from(size).map_err(|error| error.to_string()),
        _ => Err("write at most 1GiB".into()),
    }
}

/// A future that completes on Ctrl-C.
type Interrupt<'a> = Pin<&'a mut (dyn Future<Output = io::Result<()>> + 'a)>;

/// The opened connections.
#[derive(Debug)]
struct Opened {
    loads: Vec<Load>,
    setup: Histogram<u64>,
    tally: Tally,
    interrupted: bool,
}

/// The measurements of a run.
#[derive(Debug)]
struct Measured {
    tally: Tally,
    elapsed: Duration,
    interrupted: bool,
}

impl Bench {
    pub(crate) fn run(self) -> Exit {
        if self.byte_stream && self.size == 0 {
            return Exit::Usage.with(NO_BYTES);
        }
        let server = match self.server.server(self.dial.compression) {
            Ok(server) => server,
            Err(problem) => return Exit::Usage.with(problem),
        };
        descriptors::raise();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.measure(&server)),
            Err(error) => Exit::Failed.with(error),
        }
    }

    async fn measure(self, server: &WebSocketUpstream) -> Exit {
        let mut interrupt = pin!(tokio::signal::ctrl_c());
        let opened = self.open(server, interrupt.as_mut()).await;
        let Some((protocol, text)) = opened
            .loads
            .first()
            .map(|load| (load.protocol(), load.is_text()))
        else {
            for reason in opened.tally.errors.keys() {
                error!("{reason}");
            }
            return Exit::Refused.with("no connection could be opened");
        };
        let count = opened.loads.len() as u64;
        let mut running = JoinSet::new();
        let stop = CancellationToken::new();
        let measured = if opened.interrupted {
            Measured {
                tally: opened.tally,
                elapsed: Duration::ZERO,
                interrupted: true,
            }
        } else {
            let tally = SharedTally::new(opened.tally);
            for load in opened.loads {
                running.spawn(load.run(tally.clone(), stop.clone()));
            }
            self.watch(&mut running, &tally, interrupt).await
        };
        stop.cancel();
        let report = Report {
            protocol,
            text,
            size: self.size,
            in_flight: self.in_flight.get(),
            byte_stream: self.byte_stream,
            connections: self.connections.get(),
            opened: count,
            elapsed: measured.elapsed,
            interrupted: measured.interrupted,
            setup: opened.setup,
            latency: measured.tally.latency,
            errors: measured.tally.errors,
            url: hide_secrets(&self.server.url).into_owned(),
        };
        let written = write(&report, self.json);
        let closing = async { while running.join_next().await.is_some() {} };
        // Connections that are still open are dropped with the runtime.
        let _ = tokio::time::timeout(CLOSING, closing).await;
        match written {
            Err(error) => Exit::Failed.with(error),
            Ok(()) if report.latency.is_empty() => Exit::Failed,
            Ok(()) => Exit::Ok,
        }
    }

    /// Opens the connections and counts failures. If all of the first ones fail, the others are not
    /// tried.
    async fn open(&self, server: &WebSocketUpstream, mut interrupt: Interrupt<'_>) -> Opened {
        let payload = Payload::new(self.size);
        let mut opened = Opened {
            loads: Vec::new(),
            setup: latencies(),
            tally: Tally::new(0),
            interrupted: false,
        };
        let mut dialling = JoinSet::new();
        let (mut left, mut failed) = (self.connections.get(), 0);
        loop {
            let hopeless = opened.loads.is_empty() && failed >= OPENING;
            while left > 0 && dialling.len() < OPENING && !hopeless {
                let (server, dial) = (server.clone(), self.dial.dial());
                dialling.spawn(async move {
                    let begin = Instant::now();
                    let connection = server.dial(dial).await;
                    (connection, begin.elapsed())
                });
                left -= 1;
            }
            let dialled = tokio::select! {
                dialled = dialling.join_next() => dialled,
                _ = &mut interrupt => {
                    opened.interrupted = true;
                    None
                }
            };
            match dialled {
                Some(Ok((Ok(connection), took))) => {
                    record(&mut opened.setup, took);
                    opened.loads.push(Load::new(
                        connection,
                        &payload,
                        self.text,
                        self.in_flight.get(),
                        self.byte_stream,
                    ));
                }
                Some(Ok((Err(error), _))) => {
                    failed += 1;
                    opened.tally.count(&error);
                }
                Some(Err(error)) => {
                    failed += 1;
                    opened.tally.count(&error);
                }
                None => break,
            }
        }
        opened.tally.silent = opened.loads.len() as u64;
        opened
    }

    /// Waits for the end: the duration has passed, Ctrl-C, or the last connection has ended.
    async fn watch(
        &self,
        running: &mut JoinSet<()>,
        tally: &SharedTally,
        mut interrupt: Interrupt<'_>,
    ) -> Measured {
        let begin = Instant::now();
        let mut live = io::stderr().is_terminal().then(|| Live::new(self.size));
        let mut ticks = interval_at(tokio::time::Instant::now() + LIVE, LIVE);
        let mut over = pin!(sleep(self.duration));
        let interrupted = loop {
            tokio::select! {
                biased;
                _ = &mut interrupt => break true,
                () = &mut over => break false,
                _ = ticks.tick(), if live.is_some() => {
                    if let Some(live) = &mut live {
                        live.write(begin.elapsed(), &tally.lock());
                    }
                }
                ended = running.join_next() => if ended.is_none() {
                    break false;
                },
            }
        };
        let elapsed = begin.elapsed();
        // Answers received after this are not measured.
        let mut tally = tally.lock().clone();
        if tally.silent > 0 {
            tally.errors.insert(NO_ANSWER.into(), tally.silent);
        }
        if let Some(live) = live {
            live.erase();
        }
        Measured {
            tally,
            elapsed,
            interrupted,
        }
    }
}

fn write(report: &Report, json: bool) -> io::Result<()> {
    let text = if json {
        report.json()
    } else {
        report.to_string()
    };
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
