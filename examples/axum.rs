//! An axum site and a chat on one port: axum answers ordinary requests, and browsers of every age
//! can use the chat.
//!
//! `cargo run --features axum --example axum -- 127.0.0.1:8080`, then open `http://127.0.0.1:8080/`.

use axum::Router;
use axum::extract::Path;
use axum::response::Html;
use axum::routing::get;
use polysock::apps::{CHAT_PAGE, Chat};
use polysock::axum::Beside;
use polysock::protocols::PROTOCOLS;
use polysock::{BoxError, Gateway, PortSettings, Site};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let pages = Router::new()
        .route("/", get(|| async { Html(CHAT_PAGE) }))
        .route(
            "/hello/{name}",
            get(|Path(name): Path<String>| async move { format!("hello, {name}") }),
        );
    let settings = PortSettings {
        protocols: PROTOCOLS.to_vec(),
        ..PortSettings::default()
    };
    let site = Site::new(Chat::new()).with_http(Beside::new(pages));
    Ok(Gateway::with_site(site, settings).listen(address).await?)
}
