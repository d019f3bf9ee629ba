//! Which site a request is for, and who is let in.

mod origins;
mod policy;
mod settings;
mod site;
mod table;

pub use self::origins::{Origin, OriginError, Origins};
pub use self::policy::Policy;
pub use self::settings::SiteSettings;
pub use self::site::Site;
pub use self::table::{Asked, Sites};
