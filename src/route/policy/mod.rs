//! Policies: conditions for clients.

mod admitted;
#[cfg(feature = "auth")]
pub mod auth;
mod endpoint;
mod ip_black_list;
mod origin_check;
#[expect(
    clippy::module_inception,
    reason = "a policy is what this folder is about"
)]
mod policy;
mod visitor;
mod watch;

pub use self::admitted::Admitted;
pub use self::endpoint::{Endpoint, Question};
pub use self::ip_black_list::IpBlackList;
pub use self::origin_check::OriginCheck;
pub use self::policy::Policy;
pub use self::visitor::Visitor;
pub use self::watch::Watch;
