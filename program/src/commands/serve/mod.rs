//! `polysock serve`.

mod control;
mod operators;
mod overlay;
mod pid_file;
mod quoted;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytestring::ByteString;
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use polysock::protocols::Limits;
use polysock::upstream::end_processes;
use tracing::{error, info, warn};

use self::control::{Other, asked};
use self::operators::OperatorFlags;
use self::overlay::Overlay;
use self::quoted::quoted;
use crate::config::Config;
use crate::config::listener::Address;
use crate::config::load::ConfigError;
use crate::config::route::Route;
use crate::config::settings::{OnReload, Settings};
use crate::config::target::{App, Target};
use crate::exit::Exit;
use crate::flags::compression::CompressionFlags;
use crate::flags::connections::{ConnectionFlags, RateFlags};
use crate::flags::exec::ExecFlags;
use crate::flags::memory::MemoryFlags;
use crate::flags::site::{AcceptFlags, GateFlags, PortFlags, TrustFlags};
use crate::flags::timeouts::{HandshakeTimeout, ServingTimeouts};
use crate::flags::tls::TlsFlags;
use crate::flags::values;
use crate::log;
use crate::service_manager::ServiceManager;
use crate::serving::{Server, Unserved};
use crate::signals::{First, SignalRequest, Signals};

/// The flags of `polysock serve`.
#[derive(Args, Debug)]
#[command(after_long_help = SECURITY)]
pub(crate) struct Serve {
    /// Configuration file: listeners, routes, upstreams. Flags take precedence over it; `polysock
    /// config default` prints a file with every key
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["upstream", "app", "command"])]
    config: Option<PathBuf>,

    /// Address to listen on: HOST:PORT, :PORT for all addresses, unix:PATH, or systemd:NAME for the
    /// sockets of that name that systemd passes (systemd: for all of them). Repeatable
    #[arg(long, value_name = "ADDR", value_parser = Address::parse, default_value = "127.0.0.1:8080")]
    listen: Vec<Address>,

    /// Target of the connections: tcp://HOST:PORT, unix:PATH, exec:COMMAND for a process for each
    /// client, http://HOST:PORT[/PATH] for a web server, which gets ordinary requests as well,
    /// http+grip://HOST:PORT for a web app that gets WebSockets as requests, file:DIR,
    /// app:broadcast/CHANNEL, ws://HOST:PORT[/PATH], ws+PROTOCOL://… for a server that speaks only
    /// an old protocol, as ws+hixie76://, or ws+auto:// to detect it; over TLS tls://, https://,
    /// wss://, wss+PROTOCOL:// and wss+auto://. A PATH that ends in / is followed by the client's
    /// path, any other replaces it; the client's query is always passed on
    #[arg(value_name = "UPSTREAM", conflicts_with = "app")]
    upstream: Option<String>,

    /// Built-in application to serve
    #[arg(long, value_enum, value_name = "APP")]
    app: Option<AppName>,

    #[command(flatten)]
    accept: AcceptFlags,

    #[command(flatten)]
    gates: GateFlags,

    /// Subprotocol to speak, in order of preference: a client is answered with the first that it
    /// offers, and a ws:// upstream is offered no other. Repeatable, or a comma-separated list.
    /// Without it the preference of the client decides
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = values::subprotocol)]
    subprotocol: Vec<ByteString>,

    /// Treatment of binary messages to clients whose protocol has none: send them as base64 text,
    /// or close the connection
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Binary::Close)]
    binary_over_text: Binary,

    /// Speak HTTP/2, with a WebSocket on each stream (RFC 8441): `on` or `off`
    #[arg(long, value_name = "SWITCH", value_parser = BoolishValueParser::new(), action = ArgAction::Set, default_value = "on", hide_possible_values = true)]
    http2: bool,

    #[command(flatten)]
    tls: TlsFlags,

    #[command(flatten)]
    port: PortFlags,

    #[command(flatten)]
    trust: TrustFlags,

    /// Maximum size of a message: bytes, KiB, MiB, GiB or `none` [default: 1MiB for an application,
    /// 16KiB for the chat, none for an upstream, which receives messages in pieces]
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_message: Option<u64>,

    /// Maximum size of a frame
    #[arg(long, value_name = "SIZE", value_parser = values::size, default_value = "none")]
    max_frame: u64,

    /// Maximum messages per second from a client, or `none`; a client beyond it is closed (1008)
    #[arg(long, value_name = "COUNT", value_parser = values::optional_count, default_value = "none")]
    max_messages_per_second: u32,

    #[command(flatten)]
    memory: MemoryFlags,

    /// Maximum number of fragments of a message
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().fragments)]
    max_fragments: u32,

    #[command(flatten)]
    connections: ConnectionFlags,

    #[command(flatten)]
    rates: RateFlags,

    #[command(flatten)]
    handshake: HandshakeTimeout,

    /// Time limit for a client to answer the close of the server
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "3s")]
    close_timeout: Duration,

    /// Maximum time that a client may be silent, or `none`
    #[arg(long, value_name = "TIME", value_parser = values::optional_duration, default_value = "none")]
    idle_timeout: Duration,

    /// Time of silence before a client is pinged, or `none`; without an answer it is disconnected
    #[arg(long, value_name = "TIME", value_parser = values::optional_duration, default_value = "25s")]
    ping_interval: Duration,

    /// Time limit for a client to answer a ping, at most the ping interval
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "8s")]
    pong_timeout: Duration,

    /// Maximum time that an upstream may be silent, or `none`. A ws:// upstream is pinged as
    /// clients are, and its answers count; for an upstream without pings (tcp://, unix:,
    /// ws+hixie76://) only this limit detects that it hangs
    #[arg(long, value_name = "TIME", value_parser = values::optional_duration, default_value = "none")]
    upstream_idle_timeout: Duration,

    #[command(flatten)]
    timeouts: ServingTimeouts,

    /// Number of worker threads [default: the number of cores]
    #[arg(long, value_name = "COUNT")]
    workers: Option<NonZeroUsize>,

    #[cfg(feature = "tls")]
    #[command(flatten)]
    upstream_tls: crate::flags::upstream_tls::UpstreamTlsFlags,

    /// Unix socket through which the next server takes over the listening sockets of this one, and
    /// this one those of its predecessor, so that no client is refused during an upgrade
    #[arg(long, value_name = "PATH")]
    handover: Option<PathBuf>,

    #[command(flatten)]
    operators: OperatorFlags,

    #[command(flatten)]
    compression: CompressionFlags,

    #[command(flatten)]
    exec: ExecFlags,

    /// Program and its arguments, of which a process is run for each client, as with exec:COMMAND:
    /// `polysock serve -- ./count.sh 10`
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = ["upstream", "app"])]
    command: Vec<String>,
}

const SECURITY: &str = "\
Security of the old protocols:
  hixie-75, hixie-76, hybi-01 to hybi-03   Clients do not mask their data. On plain TCP a web page
      can put chosen bytes on the wire and poison the cache of a transparent proxy (RFC 6455
      section 10.3). Without TLS these clients are admitted only from --unmasked-from.
  hixie-75   There is no challenge: anything that makes a browser or a server send a few lines can
      open a connection. List the allowed origins with --origin.
  hybi-04 to hybi-10, rfc6455   Clients mask their data.
In every protocol browsers send cookies, so any web page can connect on behalf of its user unless
--origin lists the allowed pages.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AppName {
    Echo,
    Chat,
    Broadcast,
    Wamp,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Binary {
    Base64,
    Close,
}

/// Listen, and serve every client in the protocol it speaks
///
/// Without arguments: a chat on 127.0.0.1:8080, with a page for browsers.
// `Overlay` distinguishes flags that were given from defaults.
#[derive(Args, Debug)]
pub(crate) struct ServeCommand {
    #[command(flatten)]
    flags: Overlay<Serve>,
}

impl ServeCommand {
    /// The log settings of the configuration file. An invalid file is reported when it is served.
    pub(crate) fn log_settings(&self) -> log::Settings {
        let loaded = self.flags.file().map(Config::load);
        let loaded = loaded.and_then(Result::ok);
        loaded.map_or_else(log::Settings::default, |loaded| loaded.config.process.log)
    }

    pub(crate) fn run(self) -> Exit {
        let Self { flags } = self;
        let config = match flags.config() {
            Ok(config) => config,
            Err(Wrong::Usage(problem)) => return Exit::Usage.with(problem),
            Err(Wrong::File(error)) => {
                eprint!("{error}");
                return Exit::Config;
            }
        };
        // Before the sockets listen, so that no signal that follows kills the process.
        let mut signals = match Signals::catch() {
            Ok(signals) => signals,
            Err(problem) => return Exit::Failed.with(problem),
        };
        let pid_file = config.process.pid_file.clone();
        let mut server = match Server::start(config, signals.runtime()) {
            Ok(server) => server,
            Err(Unserved::Config(problem)) if flags.file().is_some() => {
                return Exit::Config.with(problem);
            }
            Err(Unserved::Config(problem)) => return Exit::Usage.with(problem),
            Err(Unserved::System(problem)) => return Exit::Failed.with(problem),
        };
        if let Some(file) = &pid_file {
            pid_file::write(file);
        }
        let mut control = match control::start(&mut server, &signals) {
            Ok(control) => control,
            Err(problem) => {
                server.stop();
                return Exit::Failed.with(problem);
            }
        };
        server.relieve(control::listener(&mut control));
        let manager = ServiceManager::find();
        manager.ready(&server.status());
        let alive = manager.clone().keep_alive(server.pulse());
        signals.runtime().spawn(alive);
        loop {
            let other = async {
                tokio::select! {
                    successor = server.successor() => Other::Successor(successor),
                    ask = asked(&mut control) => Other::Reload(ask),
                }
            };
            let (by, ask) = match signals.next_or(other) {
                First::SignalRequest(SignalRequest::End) => {
                    manager.stopping();
                    break;
                }
                First::SignalRequest(SignalRequest::Reload(signal)) => (signal, None),
                First::Other(Other::Reload(ask)) => ("the control listener", Some(ask)),
                First::Other(Other::Successor(successor)) => {
                    if server.hand_over(successor, control::listener(&mut control)) {
                        break;
                    }
                    continue;
                }
            };
            manager.reloading();
            let reloaded = flags.reload(by, &mut server, &signals);
            manager.ready(&server.status());
            if let Some(control) = &control {
                control.state.reloads().note(reloaded.is_ok());
                control.state.replace(server.facts());
            }
            if let Some(ask) = ask {
                // The requester may have disconnected.
                let _ = ask.answer.send(reloaded);
            }
        }
        if let Some(control) = &control {
            control.state.stop();
        }
        let deadline = server.shutdown_timeout();
        let (spans, joined) = (server.take_spans(), server.take_joined());
        let workers = server.stop();
        let end = Instant::now() + deadline;
        let exit = signals.wait_for(deadline, || Ok(workers.join()?.cut));
        end_processes(end.saturating_duration_since(Instant::now()));
        if let Some(control) = control {
            control.end();
        }
        if let Some(joined) = joined {
            joined.leave();
        }
        if let Some(spans) = spans {
            spans.finish();
        }
        if let Some(file) = &pid_file {
            pid_file::remove(file);
        }
        exit
    }
}

/// The reason why there is no configuration.
enum Wrong {
    Usage(String),
    File(ConfigError),
}

impl Overlay<Serve> {
    /// The configuration file, if one is given.
    fn file(&self) -> Option<&Path> {
        self.flags().config.as_deref()
    }

    /// Builds the configuration: that of the file, overridden by flags.
    fn config(&self) -> Result<Config, Wrong> {
        let mut config = match self.file() {
            Some(file) => {
                let loaded = Config::load(file).map_err(Wrong::File)?;
                for line in loaded.warnings.to_string().lines() {
                    warn!("{line}");
                }
                loaded.config
            }
            None => Config::of_route(self.flags().route().map_err(Wrong::Usage)?),
        };
        self.lay_over(&mut config);
        Ok(config)
    }

    /// Reads the file again, and puts it in force if it is valid. Returns the outcome.
    fn reload(
        &self,
        signal: &str,
        server: &mut Server,
        signals: &Signals,
    ) -> Result<String, String> {
        if self.file().is_none() {
            info!("{signal} is ignored: there is no configuration file to read again");
            return Err("there is no configuration file to read again".to_owned());
        }
        info!("reading the configuration again ({signal})");
        let reloaded = match self.config() {
            Ok(config) => server.reload(config, signals.runtime()),
            Err(Wrong::Usage(problem)) => Err(Unserved::Config(problem)),
            Err(Wrong::File(error)) => Err(Unserved::Config(error.to_string())),
        };
        match reloaded {
            Ok(()) => Ok(server.status()),
            Err(Unserved::Config(problem) | Unserved::System(problem)) => {
                for line in problem.lines() {
                    error!("{line}");
                }
                error!("the old configuration stays in force");
                Err(problem)
            }
        }
    }
}

impl Serve {
    /// The only route of a server without a configuration file.
    fn route(&self) -> Result<Route, String> {
        let target = match (&self.upstream, self.app) {
            _ if !self.command.is_empty() => Target::Exec(quoted(&self.command)),
            (Some(upstream), _) => Target::of_argument(upstream)?,
            (None, Some(AppName::Echo)) => Target::App(App::Echo),
            (None, Some(AppName::Broadcast)) => Target::App(App::Broadcast),
            (None, Some(AppName::Wamp)) => Target::App(App::Wamp),
            (None, Some(AppName::Chat) | None) => Target::App(App::Chat),
        };
        let settings = Settings {
            // There is no reload without a file.
            on_reload: OnReload::Keep,
            ..Settings::default()
        };
        Ok(Route::everything(target, settings))
    }
}
