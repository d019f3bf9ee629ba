//! The chat of `polysock serve`, as a library user would run it: an application, settings and a
//! page.
//!
//! `cargo run --example chat`, then open `http://127.0.0.1:8080/` in any browser since 2010.

use polysock::apps::{CHAT_PAGE, Chat};
use polysock::protocols::PROTOCOLS;
use polysock::{BoxError, Gateway, Pages, PortSettings, Site};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let site = Site::new(Chat::new()).with_http(Pages::with_index(CHAT_PAGE));
    let gateway = Gateway::with_site(site, settings);
    Ok(gateway.listen("127.0.0.1:8080").await?)
}
