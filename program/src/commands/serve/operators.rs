//! The flags for those who operate a server.

use std::path::PathBuf;

use clap::Args;

use crate::config::listener::Address;
use crate::config::zmq::ZmqAddress;
use crate::spans::parse_collector;

/// Where operators ask a server how it goes, where it tells them by itself, and where their web apps publish, and what
/// joins it to other servers.
#[derive(Args, Debug)]
pub(super) struct OperatorFlags {
    /// A control listener, for metrics, health, a status page and `polysock ctl`: unix:PATH, or HOST:PORT.
    /// On this machine anybody may read it; to change anything by TCP takes the token
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    pub(super) control: Option<Address>,

    /// A file with the token of the control listener: 22 characters or more
    #[arg(long, value_name = "FILE")]
    pub(super) control_token_file: Option<PathBuf>,

    /// The collector of traces to send spans of handshakes and closes to, by OTLP over HTTP, as
    /// http://127.0.0.1:4318; for a program that was built with the feature otlp
    #[arg(long, value_name = "URL", value_parser = parse_collector)]
    pub(super) otlp: Option<String>,

    /// A listener where web apps publish: HOST:PORT, or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    pub(super) publish: Option<Address>,

    /// A key that web apps share: it signs what http+grip: targets are asked, and who publishes. With `base64:`
    /// before it, one of any bytes
    #[arg(
        long,
        value_name = "KEY",
        env = "POLYSOCK_GRIP_KEY",
        hide_env_values = true
    )]
    pub(super) grip_key: Option<String>,

    /// A broker that joins the channels of several servers: nats://HOST:PORT or redis://HOST:PORT
    #[arg(long, value_name = "URL", env = "POLYSOCK_BUS", hide_env_values = true)]
    pub(super) bus: Option<String>,

    /// A PULL socket of ZeroMQ by which web apps on this machine publish: tcp://127.0.0.1:PORT or ipc://PATH.
    /// Repeatable
    #[arg(long, value_name = "URL", value_parser = ZmqAddress::parse)]
    pub(super) zmq_pull: Vec<ZmqAddress>,

    /// A SUB socket for the same, whose messages have the channel before the item. Repeatable
    #[arg(long, value_name = "URL", value_parser = ZmqAddress::parse)]
    pub(super) zmq_sub: Vec<ZmqAddress>,

    /// The field that names the channel in JSON that is the message itself, for --zmq-pull: `category` for the
    /// push tutorial of Ratchet
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) topic_field: Option<String>,
}
