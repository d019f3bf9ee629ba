//! `polysock websockify`.

mod activity;
mod daemon;
mod refused;
mod tls;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use polysock::apps::{Files, Relay};
use polysock::protocols::SessionConfig;
use polysock::upstream::{self, Template, Tokens, Upstream, UpstreamSettings};
use polysock::{
    BinaryOverText, Gateway, ListenAddress, Origins, PortSettings, Site, SiteSettings, Workers,
};

use self::activity::{Activity, Ends};
use self::refused::{AUTHENTICATION, Refused, WRAP};
use self::tls::TlsOptions;
use crate::exit::Exit;
use crate::flags::connections::{DescriptorUse, limits};
use crate::flags::listen::{cannot_start, listening};
use crate::flags::server::any_size;
use crate::signals::Signals;

/// Serve as websockify does, with its command line
///
/// Replaces `websockify`, also when it is called by this name.
#[derive(Args, Debug)]
#[command(infer_long_args = true)]
pub(crate) struct Websockify {
    /// Address to listen on: [SOURCE_ADDR:]SOURCE_PORT; without an address, all addresses of this
    /// machine
    #[arg(value_name = "SOURCE")]
    source: Option<String>,

    /// Server to forward to: TARGET_ADDR:TARGET_PORT
    #[arg(value_name = "TARGET")]
    target: Option<String>,

    /// Not supported: a program to wrap
    #[arg(last = true, value_name = "COMMAND", hide_short_help = true)]
    wrapped: Vec<String>,

    /// Listen on this Unix socket instead of SOURCE
    #[arg(long, value_name = "FILE")]
    unix_listen: Option<PathBuf>,

    /// File permissions of that socket, in octal digits
    #[arg(long, value_name = "MODE", default_value = "0600", requires = "unix_listen", value_parser = mode)]
    unix_listen_mode: u32,

    /// Forward to a server on this Unix socket
    #[arg(long, value_name = "FILE")]
    unix_target: Option<String>,

    /// Serve files from this directory on the same port
    #[arg(long, value_name = "DIR")]
    web: Option<PathBuf>,

    /// Class that maps the client's token (`?token=`) to the target: TokenFile, ReadOnlyTokenFile
    /// or UnixDomainSocketDirectory
    #[arg(long, value_name = "CLASS")]
    token_plugin: Option<String>,

    /// File with lines as `TOKEN: HOST:PORT`, directory of such files, or directory of sockets
    #[arg(long, value_name = "SOURCE", requires = "token_plugin")]
    token_source: Option<PathBuf>,

    /// The same as --token-plugin TokenFile --token-source FILE
    #[arg(long, value_name = "FILE")]
    target_config: Option<PathBuf>,

    /// Use the name of the requested host as the token
    #[arg(long)]
    host_token: bool,

    /// Class that admits clients: ExpectOrigin, with the origins in --auth-source
    #[arg(long, value_name = "CLASS")]
    auth_plugin: Option<String>,

    /// Allowed origins, separated by blanks
    #[arg(long, value_name = "ORIGINS", requires = "auth_plugin")]
    auth_source: Option<String>,

    /// Time of silence after which a client is pinged, in seconds [default: 25]
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    heartbeat: u32,

    /// Exit after this many seconds without connections
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    idle_timeout: u32,

    /// Exit this many seconds after the start, or later when no connection is open any more
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    timeout: u32,

    /// Exit once the first connection has ended
    #[arg(long)]
    run_once: bool,

    /// Listen on IPv6 if the name of the source has addresses of both versions
    #[arg(short = '6', long)]
    prefer_ipv6: bool,

    /// Run in the background
    #[arg(short = 'D', long)]
    daemon: bool,

    /// Log more, at the level debug
    #[arg(short, long)]
    verbose: bool,

    /// Ignored: there is only one way to serve
    #[arg(long, hide_short_help = true)]
    libserver: bool,

    /// Ignored: directories are not listed
    #[arg(long, hide_short_help = true)]
    file_only: bool,

    #[command(flatten)]
    tls: TlsOptions,

    #[command(flatten)]
    refused: Refused,
}

/// The time that connections have to close and threads have to end.
const DEADLINE: Duration = Duration::from_secs(10);

impl Websockify {
    /// True if `--verbose` is given.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    pub(crate) fn run(self) -> Exit {
        let activity = Activity::default();
        let prepared = self.address().and_then(|address| {
            let gateway = self.gateway(&activity)?;
            Ok((address, gateway))
        });
        let (address, gateway) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => return Exit::Usage.with(problem),
        };
        if self.daemon && !daemon::is_background() {
            return daemon::start().unwrap_or_else(|problem| Exit::Failed.with(problem));
        }
        let left = match self.daemon {
            true => daemon::leave_terminal(),
            false => Ok(()),
        };
        let mut signals = match left.and_then(|()| Signals::catch()) {
            Ok(signals) => signals,
            Err(problem) => return Exit::Failed.with(problem),
        };
        let cores = std::thread::available_parallelism();
        let count = cores.map_or(1, NonZeroUsize::get);
        let started = Workers::start(count, DEADLINE).and_then(|mut workers| {
            workers.listen(&address, &gateway)?;
            Ok(workers)
        });
        let workers = match started {
            Ok(workers) => workers,
            Err(problem) => return Exit::Failed.with(cannot_start(&problem)),
        };
        listening(workers.addresses());
        if self.daemon
            && let Err(problem) = daemon::ready()
        {
            return Exit::Failed.with(problem);
        }
        let ends = Ends {
            after: seconds(self.timeout),
            idle: seconds(self.idle_timeout),
            once: self.run_once,
        };
        signals.wait_or(activity.ends(ends));
        workers.stop();
        signals.wait_for(DEADLINE, || Ok(workers.join()?.cut))
    }

    /// The address to listen on.
    fn address(&self) -> Result<ListenAddress, String> {
        if let Some(problem) = self.refused.problem() {
            return Err(problem);
        }
        if !self.wrapped.is_empty() {
            return Err(WRAP.into());
        }
        if let Some(path) = &self.unix_listen {
            return Ok(ListenAddress::Unix {
                path: path.clone(),
                mode: Some(self.unix_listen_mode),
            });
        }
        let Some(source) = &self.source else {
            return Err("the port to listen on is missing: websockify 6080 localhost:5900".into());
        };
        let (host, port) = match source.rsplit_once(':') {
            Some((host, port)) => (host.trim_matches(['[', ']']), port),
            None => ("", source.as_str()),
        };
        let port = port.parse().map_err(|_| {
            format!("`{source}`: the port is not a number up to 65535: write ADDRESS:PORT, or PORT")
        })?;
        if host.is_empty() {
            let every = SocketAddr::from((IpAddr::from([0u16; 8]), port));
            return Ok(every.into());
        }
        let found = (host, port).to_socket_addrs();
        let found = found.map_err(|error| format!("`{source}`: the host is unknown ({error})"))?;
        found
            .min_by_key(|address| address.is_ipv6() != self.prefer_ipv6)
            .map(ListenAddress::from)
            .ok_or_else(|| format!("`{source}`: the host has no address"))
    }

    fn gateway(&self, activity: &Activity) -> Result<Gateway, String> {
        let relay = Relay::new(self.upstream()?).binary_over_text(BinaryOverText::Base64);
        let mut site = Site::new(activity.of(relay)).with_settings(self.site_settings()?);
        if let Some(directory) = &self.web {
            if !directory.is_dir() {
                return Err(format!(
                    "--web: `{}` is not a directory",
                    directory.display()
                ));
            }
            site = site.with_http(Files::new(directory));
        }
        let settings = PortSettings {
            connections: limits(None, usize::MAX, None, DescriptorUse::Two),
            ..PortSettings::default()
        };
        Ok(Gateway::with_site(site, self.tls.secure(settings)?))
    }

    fn site_settings(&self) -> Result<SiteSettings, String> {
        let defaults = SiteSettings::default();
        let ping_interval = seconds(self.heartbeat).or(defaults.session.ping_interval);
        Ok(SiteSettings {
            session: SessionConfig {
                max_message: u64::MAX,
                ping_interval,
                pong_timeout: ping_interval.map_or(defaults.session.pong_timeout, |interval| {
                    interval.min(defaults.session.pong_timeout)
                }),
                ..defaults.session
            },
            origins: self.origins()?,
            ..defaults
        })
    }

    fn origins(&self) -> Result<Origins, String> {
        let Some(class) = &self.auth_plugin else {
            return Ok(Origins::Any);
        };
        if class_of(class, "auth_plugins") != "ExpectOrigin" {
            return Err(format!(
                "--auth-plugin {class} is not supported: {AUTHENTICATION}"
            ));
        }
        let origins = self.auth_source.as_deref().unwrap_or_default();
        let origins = origins.split_whitespace().map(|origin| {
            let origin = origin.parse();
            origin.map_err(|error| format!("--auth-source: {error}; write http://example.com"))
        });
        Ok(Origins::Listed(origins.collect::<Result<_, _>>()?))
    }

    fn upstream(&self) -> Result<Arc<dyn Upstream>, String> {
        let target = match self.unix_listen {
            Some(_) => self.source.as_ref(),
            None => self.target.as_ref(),
        };
        let named = [
            target.is_some(),
            self.unix_target.is_some(),
            self.token_plugin.is_some() || self.target_config.is_some(),
        ];
        if named.into_iter().filter(|is_named| *is_named).count() > 1 {
            return Err(
                "more than one target is given: choose HOST:PORT, --unix-target or tokens".into(),
            );
        }
        if self.host_token && !named.contains(&true) {
            return Err("--host-token needs --token-plugin".into());
        }
        let url = match (target, &self.unix_target) {
            (_, Some(path)) => {
                self.tls.refuses_sockets()?;
                format!("unix:{path}")
            }
            (Some(target), None) => {
                let problem = || format!("`{target}` is not a target: write HOST:PORT");
                let (host, port) = target.rsplit_once(':').ok_or_else(problem)?;
                let scheme = self.tls.scheme();
                match host.trim_matches(['[', ']']) {
                    host if host.contains(':') => format!("{scheme}://[{host}]:{port}"),
                    host => format!("{scheme}://{host}:{port}"),
                }
            }
            (None, None) => return self.template(),
        };
        upstream::parse(&url, settings()).map_err(|error| error.to_string())
    }

    /// The upstream whose target the client's token names.
    fn template(&self) -> Result<Arc<dyn Upstream>, String> {
        let (class, source) = match (&self.target_config, &self.token_plugin) {
            (Some(file), _) => ("TokenFile", Some(file)),
            (None, Some(class)) => (class_of(class, "token_plugins"), self.token_source.as_ref()),
            (None, None) => {
                return Err("the target is missing: websockify 6080 localhost:5900".into());
            }
        };
        let source =
            source.ok_or_else(|| format!("--token-plugin {class} needs --token-source"))?;
        let read = |read: fn(PathBuf) -> std::io::Result<Tokens>| {
            let tokens = read(source.clone());
            tokens.map_err(|error| format!("`{}` cannot be read: {error}", source.display()))
        };
        let scheme = self.tls.scheme();
        let (url, tokens) = match class {
            "TokenFile" => (format!("{scheme}://{{token}}"), Some(read(Tokens::read)?)),
            "ReadOnlyTokenFile" => (
                format!("{scheme}://{{token}}"),
                Some(read(Tokens::read_once)?),
            ),
            "UnixDomainSocketDirectory" => {
                self.tls.refuses_sockets()?;
                (format!("unix:{}/{{token}}", source.display()), None)
            }
            other => {
                return Err(format!(
                    "--token-plugin {other} is a Python class, which this program cannot load. \
                     TokenFile, ReadOnlyTokenFile and UnixDomainSocketDirectory are supported; \
                     a TokenFile is read again when it has changed"
                ));
            }
        };
        let template =
            Template::parse(&url, settings(), tokens).map_err(|error| error.to_string())?;
        Ok(match self.host_token {
            true => Arc::new(template.with_host_token()),
            false => Arc::new(template),
        })
    }
}

fn settings() -> UpstreamSettings {
    any_size()
}

/// The name of a class, without websockify's module prefix.
fn class_of<'a>(class: &'a str, module: &str) -> &'a str {
    let prefix = format!("websockify.{module}.");
    class.strip_prefix(&prefix).unwrap_or(class)
}

/// Parses file permissions in octal digits.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok();
    let mode = mode.filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "write permissions in octal digits, as 0660".into())
}

/// Converts seconds; zero becomes `None`.
fn seconds(seconds: u32) -> Option<Duration> {
    Some(Duration::from_secs(seconds.into())).filter(|time| !time.is_zero())
}
