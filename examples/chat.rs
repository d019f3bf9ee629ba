//! The chat of `polysock serve`, as a library user would run it: an application, settings and a
//! page.
//!
//! `cargo run --example chat`, then open `http://127.0.0.1:8080/` in any browser since 2010.

use polysock::apps::{CHAT_PAGE, Chat};
use polysock::protocols::PROTOCOLS;
use polysock::{BoxError, Gateway, Pages, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let settings = Settings {
        protocols: PROTOCOLS.to_vec(),
        ..Settings::default()
    };
    let page = Pages::with_index(CHAT_PAGE);
    let gateway = Gateway::with_settings(Chat::new(), settings, page);
    Ok(gateway.listen("127.0.0.1:8080").await?)
}
