//! Cases that forward messages to others, repeated COUNT times:
//!
//! No time is measured here, see `hot_paths`. This is a separate program, so that the counts there
//! do not depend on what is inlined for the relay.

mod broadcast;
#[path = "../hot_paths/client.rs"]
#[allow(dead_code, reason = "no client here is slow")]
mod client;
mod component;
mod relay;
#[path = "../hot_paths/rfc6455.rs"]
mod rfc6455;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let name = arguments.next().unwrap_or_else(|| "relay-64x16".into());
    let count = arguments
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100);
    match &*name {
        "relay-64x16" => relay::run(count).await,
        "component-64x1" => component::run(1, count).await,
        "component-64x16" => component::run(16, count).await,
        "broadcast-64x1000" => broadcast::run(count).await,
        "clients-64x1000" => broadcast::run_clients(count).await,
        _ => {
            eprintln!("there is no case `{name}`");
            std::process::exit(2);
        }
    }
}
