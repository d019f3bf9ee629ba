//! The flags of timeouts.

use std::time::Duration;

use clap::Args;

use super::values;

/// How long a client may take.
#[derive(Args, Debug)]
pub(crate) struct HandshakeTimeout {
    /// How long an opening handshake may take
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "10s")]
    pub(crate) handshake_timeout: Duration,
}

/// How long an upstream and the end may take.
#[derive(Args, Debug)]
pub(crate) struct ServingTimeouts {
    /// How long an upstream may take to be there
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "5s")]
    pub(crate) connect_timeout: Duration,

    /// How long connections may take to close after SIGTERM, SIGINT or SIGQUIT, before they are cut
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "10s")]
    pub(crate) shutdown_timeout: Duration,
}
