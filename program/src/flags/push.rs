//! What web apps push.

use clap::Args;

use crate::config::listener::Address;

/// What web apps push.
#[derive(Args, Debug)]
pub(crate) struct PushFlags {
    /// A listener where web apps publish: HOST:PORT, or unix:PATH
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    pub(crate) publish: Option<Address>,

    /// A key that web apps share: it signs what http+grip: targets are asked, and who publishes. With `base64:`
    /// before it, one of any bytes
    #[arg(
        long,
        value_name = "KEY",
        env = "POLYSOCK_GRIP_KEY",
        hide_env_values = true
    )]
    pub(crate) grip_key: Option<String>,
}
