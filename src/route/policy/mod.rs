//! Who is let in.

mod admitted;
#[cfg(feature = "auth")]
pub mod auth;
#[expect(
    clippy::module_inception,
    reason = "a policy is what this folder is about"
)]
mod policy;
mod visitor;

pub use self::admitted::Admitted;
pub use self::policy::Policy;
pub use self::visitor::Visitor;
