//! An axum site beside an application on one port, and an application within an axum site.
//!
//! ```text
//!   our port ─┬─ opening handshakes ──▶ Application          beside: every protocol, every limit of the port
//!             └─ ordinary requests ───▶ axum::Router
//!
//!   axum's port ──▶ axum::Router ──▶ Mounted ──▶ Application  within: what HTTP/1 and HTTP/2 of hyper can carry
//! ```
//!
//! Anything that is a tower service over axum's bodies will do where a router is spoken of here.

mod beside;
mod carrier;
mod within;

pub use self::beside::Beside;
pub use self::within::Mounted;
