//! Ordinary requests to a web app, which may hold them.
//!
//! ```text
//!   client ── GET ──▶ proxy ── GET, Grip-Sig ──▶ web app
//!     ▲                 ▲  ◀── Grip-Hold, Grip-Channel ──┘
//!     │                 │
//!     └─ what is published on the channel
//!
//!   parameters   what is in the value of a field
//!   fields       what a web app says of a request: the fields Grip-…
//!   instruct     the same in the body of its answer
//!   inbox        what waits for a request that is held
//!   last_ids     what was published last on each channel
//!   web_app      the web app, and how it is asked
//!   stream       a request that is held as a stream
//!   response     a request that waits for its answer
//!   proxy        all of them together
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
