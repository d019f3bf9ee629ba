//! Ordinary requests to a web app, which may hold them.
//!
//! ```text
//!   client ── GET ──▶ proxy ── GET, Grip-Sig ──▶ web app
//!     ▲                 ▲  ◀── Grip-Hold, Grip-Channel ──┘
//!     │                 │
//!     └─ publications on the channel
//!
//!   parameters   a parser for field values
//!   fields       the response fields Grip-…, by which a web app holds a request
//!   instruct     the same instructions in the body of the response
//!   inbox        the queue of publications for a held request
//!   last_ids     the id of the last publication on each channel
//!   web_app      the web app, and requests to it
//!   stream       a request that is held as a stream
//!   response     a request that is held until a publication becomes its response
//!   proxy        the proxy, which uses all of them
//! ```

mod fields;
mod inbox;
mod instruct;
mod last_ids;
mod parameters;
mod proxy;
mod response;
mod stream;
mod web_app;

pub use self::proxy::GripProxy;
