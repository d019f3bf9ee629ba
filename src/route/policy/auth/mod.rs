//! Who a client is, found out before it is let in: by a password, by a token, or by asking elsewhere.
//!
//! Each is a [`Policy`](crate::Policy), which holds for the WebSockets of a site, in whatever protocol and
//! version of HTTP, and for its ordinary requests. Credentials are shown nowhere.

mod basic;
mod bearer;
mod challenge;
mod forward;
mod watched;

pub use self::basic::{Basic, Passwords};
pub use self::bearer::{
    Bearer, BearerSettings, TokenKeys, TokenKeysError, TokenSource, TokenSourceError,
};
pub use self::challenge::{Realm, RealmError};
pub use self::forward::{ForwardAuth, ForwardAuthSettings};
pub use self::watched::FileError;
