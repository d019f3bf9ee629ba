//! Authentication of clients: by a password, by a token, or by asking an HTTP endpoint.
//!
//! Each is a [`Policy`](crate::Policy) that applies to the WebSockets of a site, in any protocol
//! and version of HTTP, and to its ordinary requests. Credentials are never logged or shown.

mod basic;
mod bearer;
mod challenge;
mod forward;
mod reloaded_file;

pub use self::basic::{Basic, Passwords};
pub use self::bearer::{
    Bearer, BearerSettings, TokenKeys, TokenKeysError, TokenSource, TokenSourceError,
};
pub use self::challenge::{Realm, RealmError};
pub use self::forward::{ForwardAuth, ForwardAuthSettings};
pub use self::reloaded_file::FileError;
