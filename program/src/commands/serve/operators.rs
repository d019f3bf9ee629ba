//! The flags for those who operate a server.

use std::path::PathBuf;

use clap::Args;

use crate::config::listener::Address;
use crate::config::zmq::ZmqAddress;
use crate::spans::parse_collector;

/// The flags for operating a server: the control listener, traces, publishing, and the bus.
#[derive(Args, Debug)]
pub(super) struct OperatorFlags {
    /// Address of a control listener, for metrics, health, a status page and `polysock ctl`:
    /// unix:PATH or HOST:PORT. Over TCP, reading from this machine needs no token, and every change
    /// needs it
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    pub(super) control: Option<Address>,

    /// File with the token of the control listener, of at least 22 characters
    #[arg(long, value_name = "FILE")]
    pub(super) control_token_file: Option<PathBuf>,

    /// Trace collector to send spans of handshakes and closes to, by OTLP over HTTP, as
    /// http://127.0.0.1:4318; needs a build with the feature otlp
    #[arg(long, value_name = "URL", value_parser = parse_collector)]
    pub(super) otlp: Option<String>,

    /// Address of a listener on which web apps publish: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    pub(super) publish: Option<Address>,

    /// Key that is shared with web apps: it signs the requests to http+grip: targets, and
    /// publishers must sign with it. A key of arbitrary bytes is written in base64 after `base64:`
    #[arg(
        long,
        value_name = "KEY",
        env = "POLYSOCK_GRIP_KEY",
        hide_env_values = true
    )]
    pub(super) grip_key: Option<String>,

    /// Broker that joins the channels of several servers: nats://HOST:PORT or redis://HOST:PORT
    #[arg(long, value_name = "URL", env = "POLYSOCK_BUS", hide_env_values = true)]
    pub(super) bus: Option<String>,

    /// ZeroMQ PULL socket on which web apps on this machine publish: tcp://127.0.0.1:PORT or
    /// ipc://PATH. Repeatable
    #[arg(long, value_name = "URL", value_parser = ZmqAddress::parse)]
    pub(super) zmq_pull: Vec<ZmqAddress>,

    /// ZeroMQ SUB socket for the same purpose, whose messages contain the channel before the item.
    /// Repeatable
    #[arg(long, value_name = "URL", value_parser = ZmqAddress::parse)]
    pub(super) zmq_sub: Vec<ZmqAddress>,

    /// JSON field that names the channel, for messages to --zmq-pull that are themselves the JSON
    /// to publish: `category` for the push tutorial of Ratchet
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) topic_field: Option<String>,
}
