//! Flags that override a configuration.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use polysock::{BinaryOverText, PortSettings};

use super::{Binary, Serve};
use crate::config::Config;
use crate::config::exec::{ExecSettings, Framing};
use crate::config::listener::{Address, Listener};
use crate::config::settings::Settings;
use crate::config::tls::{Identity, Tls};
#[cfg(feature = "tls")]
use crate::config::upstream_tls::UpstreamTls;
use crate::flags::compression::{Compressing, Switch};
use crate::flags::exec::ExecFraming;
use crate::flags::site::origins;

/// Flags, and the names of those that were given.
#[derive(Debug)]
pub(super) struct Overlay<F> {
    flags: F,
    given: BTreeSet<String>,
}

impl<F> Overlay<F> {
    pub(super) fn flags(&self) -> &F {
        &self.flags
    }
}

impl<F: FromArgMatches> FromArgMatches for Overlay<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let ids = matches.ids().map(clap::Id::as_str);
        Ok(Self {
            given: ids.filter(|id| is_given(id)).map(str::to_owned).collect(),
            flags: F::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<F: Args> Args for Overlay<F> {
    fn augment_args(command: Command) -> Command {
        F::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        F::augment_args_for_update(command)
    }
}

impl Overlay<Serve> {
    /// Applies flags to a configuration: only those that were given if there is a file, otherwise
    /// all.
    pub(super) fn lay_over(&self, config: &mut Config) {
        let has_file = self.flags.config.is_some();
        for (flag, lay) in FLAGS {
            if !has_file || self.given.contains(*flag) {
                lay(&self.flags, config);
            }
        }
    }
}

/// Applies one flag to a configuration.
type Lay = fn(&Serve, &mut Config);

/// The flags by their names in clap, except those that select the target.
const FLAGS: &[(&str, Lay)] = &[
    ("listen", |flags, config| {
        let first = config.listeners.first().cloned().unwrap_or_default();
        let listener = |address: &Address| Listener {
            address: address.clone(),
            ..first.clone()
        };
        config.listeners = flags.listen.iter().map(listener).collect();
    }),
    // Flags of the port.
    ("max_head", |flags, config| {
        listeners(config, |listener| listener.max_head = flags.port.max_head);
    }),
    ("flash_policy", |flags, config| {
        listeners(config, |listener| {
            listener.flash_policy = flags.port.flash_policy;
        });
    }),
    ("secure", |flags, config| {
        listeners(config, |listener| {
            listener.secure = flags.port.secure.secure;
        });
    }),
    ("tls_certificate", |flags, config| {
        listeners(config, |listener| {
            if let Some(certificate) = &flags.tls.tls_certificate {
                let tls = listener.tls.get_or_insert_default();
                tls.first = Identity {
                    certificate: Some(certificate.clone()),
                    key: None,
                };
            }
        });
    }),
    ("tls_key", |flags, config| {
        tls(config, |tls| tls.first.key.clone_from(&flags.tls.tls_key));
    }),
    ("tls_min_version", |flags, config| {
        tls(config, |tls| tls.min_version = flags.tls.tls_min_version);
    }),
    ("plain", |flags, config| {
        listeners(config, |listener| listener.plain = flags.tls.plain);
    }),
    ("http2", |flags, config| {
        listeners(config, |listener| listener.http2 = flags.http2);
    }),
    ("handshake_timeout", |flags, config| {
        let timeout = flags.handshake.handshake_timeout;
        listeners(config, |listener| listener.handshake_timeout = timeout);
    }),
    ("proxy_protocol", |flags, config| {
        let trusted = flags.trust.proxy_protocol.clone().unwrap_or_default();
        listeners(config, |listener| listener.proxy_protocol = trusted.clone());
    }),
    ("allow", |flags, config| {
        listeners(config, |listener| {
            listener.networks.allow.clone_from(&flags.gates.allow);
        });
    }),
    ("deny", |flags, config| {
        listeners(config, |listener| {
            listener.networks.deny.clone_from(&flags.gates.deny);
        });
    }),
    ("forwarded", |flags, config| {
        let trusted = flags.trust.forwarded.clone().unwrap_or_default();
        listeners(config, |listener| listener.forwarded = trusted.clone());
    }),
    // Flags of the process.
    ("workers", |flags, config| {
        config.process.workers = flags.workers;
    }),
    ("max_memory", |flags, config| {
        config.process.max_memory = flags.memory.max_memory;
    }),
    ("max_connections", |flags, config| {
        config.process.max_connections = flags.connections.max_connections;
    }),
    ("max_connections_per_address", |flags, config| {
        let most = flags.connections.max_connections_per_address;
        config.process.max_connections_per_address = most;
    }),
    ("max_handshakes", |flags, config| {
        config.process.max_handshakes = flags.connections.max_handshakes;
    }),
    ("max_connections_per_second", |flags, config| {
        config.process.rates.connections = NonZeroU32::new(flags.rates.max_connections_per_second);
    }),
    ("max_connections_per_second_per_address", |flags, config| {
        let most = flags.rates.max_connections_per_second_per_address;
        config.process.rates.connections_per_address = NonZeroU32::new(most);
    }),
    ("max_handshakes_per_second", |flags, config| {
        config.process.rates.handshakes = NonZeroU32::new(flags.rates.max_handshakes_per_second);
    }),
    ("max_handshakes_per_second_per_address", |flags, config| {
        let most = flags.rates.max_handshakes_per_second_per_address;
        config.process.rates.handshakes_per_address = NonZeroU32::new(most);
    }),
    ("max_messages_per_second_per_address", |flags, config| {
        let most = flags.rates.max_messages_per_second_per_address;
        config.process.rates.messages_per_address = NonZeroU32::new(most);
    }),
    ("shutdown_timeout", |flags, config| {
        config.process.shutdown_timeout = flags.timeouts.shutdown_timeout;
    }),
    ("handover", |flags, config| {
        config.process.handover.clone_from(&flags.handover);
    }),
    ("control", |flags, config| {
        config.control.listen.clone_from(&flags.operators.control);
    }),
    ("otlp", |flags, config| {
        config.process.log.otlp.clone_from(&flags.operators.otlp);
    }),
    ("control_token_file", |flags, config| {
        let token = &flags.operators.control_token_file;
        config.control.token.clone_from(token);
    }),
    ("publish", |flags, config| {
        config.publish.listen.clone_from(&flags.operators.publish);
    }),
    ("grip_key", |flags, config| {
        config.publish.key.clone_from(&flags.operators.grip_key);
    }),
    ("bus", |flags, config| {
        config.bus.url.clone_from(&flags.operators.bus);
    }),
    ("zmq_pull", |flags, config| {
        config.zmq.pull.clone_from(&flags.operators.zmq_pull);
    }),
    ("zmq_sub", |flags, config| {
        config.zmq.sub.clone_from(&flags.operators.zmq_sub);
    }),
    ("topic_field", |flags, config| {
        config.zmq.topic_field = flags.operators.topic_field.clone();
    }),
    // Flags of routes.
    ("protocols", |flags, config| {
        settings(config, |route| {
            route.protocols = flags.accept.protocols.clone();
        });
    }),
    ("origin", |flags, config| {
        settings(config, |route| {
            let said = !flags.accept.origin.is_empty();
            route.origins = said.then(|| origins(&flags.accept.origin));
        });
    }),
    ("unmasked_from", |flags, config| {
        settings(config, |route| {
            route.unmasked_from = flags.gates.unmasked_from.clone();
        });
    }),
    ("subprotocol", |flags, config| {
        settings(config, |route| {
            route.subprotocols = flags.subprotocol.clone();
        });
    }),
    ("binary_over_text", |flags, config| {
        let how = match flags.binary_over_text {
            Binary::Base64 => BinaryOverText::Base64,
            Binary::Close => BinaryOverText::Close,
        };
        settings(config, |route| route.binary_over_text = how);
    }),
    ("max_message", |flags, config| {
        settings(config, |route| route.max_message = flags.max_message);
    }),
    ("max_frame", |flags, config| {
        settings(config, |route| route.limits.frame = flags.max_frame);
    }),
    ("max_fragments", |flags, config| {
        settings(config, |route| route.limits.fragments = flags.max_fragments);
    }),
    ("max_messages_per_second", |flags, config| {
        let most = Some(flags.max_messages_per_second).filter(|most| *most > 0);
        settings(config, |route| route.max_messages_per_second = most);
    }),
    ("close_timeout", |flags, config| {
        settings(config, |route| route.close_timeout = flags.close_timeout);
    }),
    ("idle_timeout", |flags, config| {
        settings(config, |route| {
            route.idle_timeout = given(flags.idle_timeout);
        });
    }),
    ("upstream_idle_timeout", |flags, config| {
        let timeout = given(flags.upstream_idle_timeout);
        settings(config, |route| route.upstream_idle_timeout = timeout);
    }),
    ("ping_interval", |flags, config| {
        let interval = given(flags.ping_interval);
        settings(config, |route| route.ping_interval = interval);
        // TCP keep-alive probes go out at the interval of WebSocket pings.
        let keep_alive = interval.unwrap_or(PortSettings::default().keep_alive);
        listeners(config, |listener| listener.keep_alive = keep_alive);
    }),
    ("pong_timeout", |flags, config| {
        settings(config, |route| route.pong_timeout = flags.pong_timeout);
    }),
    ("connect_timeout", |flags, config| {
        settings(config, |route| {
            route.connect_timeout = flags.timeouts.connect_timeout;
        });
    }),
    ("compression", |flags, config| {
        let is_on = flags.compression.compression == Switch::On;
        compression(config, |how| how.clients = is_on);
    }),
    ("upstream_compression", |flags, config| {
        let is_on = flags.compression.upstream_compression == Switch::On;
        compression(config, |how| how.upstreams = is_on);
    }),
    ("compression_level", |flags, config| {
        compression(config, |how| {
            how.level = flags.compression.compression_level;
        });
    }),
    ("compression_threshold", |flags, config| {
        let threshold = flags.compression.compression_threshold;
        compression(config, |how| how.threshold = threshold);
    }),
    ("window_bits", |flags, config| {
        compression(config, |how| {
            how.window_bits = flags.compression.window_bits;
        });
    }),
    ("context_takeover", |flags, config| {
        let is_taken = flags.compression.context_takeover;
        compression(config, |how| how.context_takeover = is_taken);
    }),
    // Flags of upstreams over TLS.
    #[cfg(feature = "tls")]
    ("upstream_ca", |flags, config| {
        upstream_tls(config, |tls| {
            tls.ca.clone_from(&flags.upstream_tls.upstream_ca);
        });
    }),
    #[cfg(feature = "tls")]
    ("upstream_insecure", |flags, config| {
        upstream_tls(config, |tls| {
            tls.verify = !flags.upstream_tls.upstream_insecure;
        });
    }),
    // Flags of processes.
    ("exec_framing", |flags, config| {
        let framing = match flags.exec.exec_framing {
            ExecFraming::Line => Framing::Line,
            ExecFraming::Nul => Framing::Nul,
            ExecFraming::Length => Framing::Length,
            ExecFraming::Stream => Framing::Stream,
        };
        exec(config, |exec| exec.framing = framing);
    }),
    ("exec_binary", |flags, config| {
        exec(config, |exec| exec.binary = flags.exec.exec_binary);
    }),
    ("exec_shared", |flags, config| {
        exec(config, |exec| exec.shared = flags.exec.exec_shared);
    }),
    ("exec_dir", |flags, config| {
        exec(config, |exec| exec.dir.clone_from(&flags.exec.exec_dir));
    }),
    ("exec_env", |flags, config| {
        exec(config, |exec| {
            exec.env = flags.exec.exec_env.iter().cloned().collect();
        });
    }),
    ("exec_pass_env", |flags, config| {
        exec(config, |exec| {
            exec.pass_env.clone_from(&flags.exec.exec_pass_env);
        });
    }),
    ("exec_max_processes", |flags, config| {
        exec(config, |exec| {
            exec.max_processes = flags.exec.exec_max_processes;
        });
    }),
    ("exec_grace", |flags, config| {
        exec(config, |exec| exec.grace = flags.exec.exec_grace);
    }),
];

fn tls(config: &mut Config, set: impl Fn(&mut Tls)) {
    let all = config.listeners.iter_mut();
    all.filter_map(|listener| listener.tls.as_mut())
        .for_each(set);
}

#[cfg(feature = "tls")]
fn upstream_tls(config: &mut Config, set: impl Fn(&mut UpstreamTls)) {
    settings(config, |route| set(&mut route.upstream_tls));
    let upstreams = config.upstreams.values_mut();
    upstreams
        .filter_map(|upstream| upstream.tls.as_mut())
        .for_each(set);
}

fn exec(config: &mut Config, set: impl Fn(&mut ExecSettings)) {
    settings(config, |route| set(&mut route.exec));
}

fn listeners(config: &mut Config, set: impl Fn(&mut Listener)) {
    config.listeners.iter_mut().for_each(set);
}

fn settings(config: &mut Config, set: impl Fn(&mut Settings)) {
    set(&mut config.defaults);
    let routes = config.routes.iter_mut();
    routes.for_each(|route| set(&mut route.settings));
}

fn compression(config: &mut Config, set: impl Fn(&mut Compressing)) {
    settings(config, |route| set(&mut route.compression));
}

/// Converts a time that may be `none`.
fn given(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| !time.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_overrides_the_file() {
        let command = Serve::augment_args(Command::new("serve"));
        for flag in command.get_arguments().map(|flag| flag.get_id().as_str()) {
            let says_what_is_served = ["config", "upstream", "app", "command"].contains(&flag);
            let is_laid_over = FLAGS.iter().any(|(name, _)| *name == flag);
            assert!(is_laid_over != says_what_is_served, "{flag}");
        }
    }
}
