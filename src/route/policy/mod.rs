//! Who is let in.

mod admitted;
#[cfg(feature = "auth")]
pub mod auth;
mod ip_black_list;
mod layer;
mod origin_check;
#[expect(
    clippy::module_inception,
    reason = "a policy is what this folder is about"
)]
mod policy;
mod visitor;

pub use self::admitted::Admitted;
pub use self::ip_black_list::IpBlackList;
pub use self::layer::Guarded;
pub use self::origin_check::OriginCheck;
pub use self::policy::Policy;
pub use self::visitor::Visitor;
