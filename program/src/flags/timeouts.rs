//! The flags of timeouts.

use std::time::Duration;

use clap::Args;

use super::values;

/// The time limit for opening handshakes.
#[derive(Args, Debug)]
pub(crate) struct HandshakeTimeout {
    /// Time limit for an opening handshake
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "10s")]
    pub(crate) handshake_timeout: Duration,
}

/// The time limits for connecting to an upstream, and for the shutdown.
#[derive(Args, Debug)]
pub(crate) struct ServingTimeouts {
    /// Time limit for connecting to an upstream
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "5s")]
    pub(crate) connect_timeout: Duration,

    /// Time limit for connections to close after SIGTERM, SIGINT or SIGQUIT, before they are cut
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "10s")]
    pub(crate) shutdown_timeout: Duration,
}
