//! `polysock capture`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use polysock::StartError;
use polysock::apps::{Relay, echo};
use polysock::upstream::{Upstream, UpstreamSettings};
use polysock_instrument::{CaptureSettings, CaptureWriter, PassThrough, ServerSettings, Skip};
use tracing::warn;

use crate::descriptors;
use crate::exit::Exit;
use crate::flags::connections::{DescriptorUse, limits};
use crate::flags::listen::{ListenFlags, cannot_start, listening};
use crate::flags::memory::{MemoryFlags, budget};
use crate::flags::server::{any_size, reach};
use crate::flags::site::SecureFlag;
use crate::flags::timeouts::{HandshakeTimeout, ServingTimeouts};
use crate::flags::values;
use crate::signals::Signals;

/// Serve, and record every connection as a transcript
///
/// Writes a `.wire` file for each connection when it has ended, refused ones included: the bytes
/// from the client, segment by segment, the answers, and the events that the application received.
/// `polysock replay` plays these files, and `polysock explain --last-refused DIR` explains the
/// newest refusal.
///
/// The server speaks every protocol to every origin, answers Flash socket policy requests, sends no
/// pings, and uses known nonces, so that the transcripts can be replayed: stop it when the capture
/// is done.
#[derive(Args, Debug)]
#[command(mut_arg("shutdown_timeout", |flag| flag.help(SHUTDOWN)))]
pub(crate) struct Capture {
    #[command(flatten)]
    listen: ListenFlags,

    /// Target of the connections, as for `polysock serve` [default: an echo]
    #[arg(value_name = "UPSTREAM", conflicts_with = "pass_through")]
    upstream: Option<String>,

    /// Forward every byte to this server unchanged, and record its answers
    #[arg(long, value_name = "HOST:PORT", value_parser = values::server)]
    pass_through: Option<String>,

    /// Directory to write the transcripts to; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Name of the client, for the header `client` [default: the User-Agent of each client]
    #[arg(long, value_name = "NAME")]
    client: Option<String>,

    /// Keep cookies, credentials and tokens, which are replaced by placeholders otherwise
    #[arg(long)]
    keep_secrets: bool,

    /// Maximum recorded size of a connection, in bytes, plus some 100 for each segment: 64KiB to
    /// 2MiB. A transcript that is cut says so
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1MiB")]
    max_size: usize,

    /// Maximum number of transcripts in the directory; further connections are served but not
    /// recorded
    #[arg(long, value_name = "COUNT", default_value_t = CaptureSettings::default().max_fixtures)]
    max_fixtures: usize,

    #[command(flatten)]
    secure: SecureFlag,

    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: crate::flags::upstream_tls::UpstreamTlsFlags,

    #[command(flatten)]
    memory: MemoryFlags,

    #[command(flatten)]
    handshake: HandshakeTimeout,

    #[command(flatten)]
    timeouts: ServingTimeouts,
}

const SHUTDOWN: &str = "Time limit for connections to close after SIGTERM, SIGINT or SIGQUIT, before they \
                        are cut. Those of --pass-through are cut immediately";

fn size(text: &str) -> Result<usize, String> {
    let size = usize::try_from(values::size(text)?).unwrap_or(usize::MAX);
    if (64 << 10..=2 << 20).contains(&size) {
        Ok(size)
    } else {
        Err("write a size from 64KiB to 2MiB: smaller ones do not fit an opening handshake, larger ones are unreadable".into())
    }
}

impl Capture {
    pub(crate) fn run(self) -> Exit {
        let upstream = match self
            .upstream
            .as_deref()
            .map(|url| self.reach(url))
            .transpose()
        {
            Ok(upstream) => upstream,
            Err(problem) => return Exit::Usage.with(problem),
        };
        let opened = CaptureWriter::open(&self.out, self.capture_settings());
        let (writer, signals) = match opened.and_then(|opened| Ok((opened, Signals::catch()?))) {
            Ok(opened) => opened,
            Err(problem) => {
                return Exit::Failed.with(format!("{}: {problem}", self.out.display()));
            }
        };
        let ran = match &self.pass_through {
            Some(server) => self.pass_through(server, &writer, signals),
            None => self.serve(upstream, &writer, signals),
        };
        writer.finish();
        ran.unwrap_or_else(|problem| Exit::Failed.with(cannot_start(&problem)))
    }

    fn reach(&self, url: &str) -> Result<Arc<dyn Upstream>, String> {
        let settings = UpstreamSettings {
            connect_timeout: self.timeouts.connect_timeout,
            #[cfg(feature = "tls")]
            tls: self.tls.client()?,
            ..any_size()
        };
        reach(url, settings)
    }

    fn serve(
        &self,
        upstream: Option<Arc<dyn Upstream>>,
        writer: &CaptureWriter,
        mut signals: Signals,
    ) -> Result<Exit, StartError> {
        let mut settings = ServerSettings::replayable(self.secure.secure);
        settings.port.handshake_timeout = self.handshake.handshake_timeout;
        settings.port.budget = budget(self.memory.max_memory);
        settings.port.connections = limits(
            None,
            usize::MAX,
            None,
            match &upstream {
                Some(_) => DescriptorUse::Two,
                None => DescriptorUse::One,
            },
        );
        let gateway = match upstream {
            Some(upstream) => settings.gateway(Relay::new(upstream)),
            None => settings.gateway(echo),
        };
        let tap = writer.clone();
        let gateway = gateway.with_tap(move |stream, peer| tap.tap(stream, peer));
        // One worker is enough for recording.
        let deadline = self.timeouts.shutdown_timeout;
        let workers = self.listen.start(&gateway, 1, deadline)?;
        signals.wait();
        writer.end();
        workers.stop();
        Ok(signals.wait_for(deadline, || Ok(workers.join()?.cut)))
    }

    fn pass_through(
        &self,
        server: &str,
        writer: &CaptureWriter,
        mut signals: Signals,
    ) -> Result<Exit, StartError> {
        descriptors::raise();
        let started = PassThrough::start(
            &self.listen.listen,
            server,
            self.timeouts.connect_timeout,
            writer,
        )?;
        listening(started.addresses());
        signals.wait();
        writer.end();
        started.stop();
        Ok(signals.wait_for(self.timeouts.shutdown_timeout, || {
            started.join().map(|()| 0)
        }))
    }

    fn capture_settings(&self) -> CaptureSettings {
        let version = env!("CARGO_PKG_VERSION");
        let behind = match (&self.pass_through, &self.upstream) {
            (Some(server), _) => format!(" in front of {server}"),
            // The upstream's URL may contain a token.
            (None, Some(_)) => " in front of an upstream".to_owned(),
            (None, None) => String::new(),
        };
        CaptureSettings {
            source: format!("polysock capture {version}{behind}"),
            client: self.client.clone(),
            keep_secrets: self.keep_secrets,
            max_size: self.max_size,
            max_fixtures: self.max_fixtures,
            on_skip: tell_of_skip,
        }
    }
}

fn tell_of_skip(peer: SocketAddr, reason: Skip) {
    match reason {
        Skip::UnmaskableSecrets => {
            warn!(%peer, "the HTTP/2 connection is not recorded: its secrets cannot be masked (--keep-secrets)");
        }
        _ => warn!(%peer, %reason, "the connection is not recorded"),
    }
}
