//! An axum site next to an application on one port, and an application inside an axum site.
//!
//! ```text
//!   our port ─┬─ opening handshakes ──▶ Application          beside: all protocols, all limits of the port
//!             └─ ordinary requests ───▶ axum::Router
//!
//!   axum's port ──▶ axum::Router ──▶ Mounted ──▶ Application  within: WebSockets over hyper's HTTP/1 and HTTP/2
//! ```
//!
//! Any tower service over axum's bodies can take the place of a router.

mod beside;
mod carrier;
mod within;

pub use self::beside::Beside;
pub use self::within::Mounted;
