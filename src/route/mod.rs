//! Routes from requests to sites, and the rules and policies that admit clients.

mod flash;
mod guarded;
mod host;
mod origins;
mod path;
mod places;
mod policy;
mod policy_chain;
#[expect(
    clippy::module_inception,
    reason = "a route is what this room is about"
)]
mod route;
mod route_query;
mod router;
mod rule;
mod settings;
mod site;
mod table;
mod unanswered;
mod user_agent;

pub use self::guarded::Guarded;
pub use self::host::{HostPattern, HostPatternError};
pub use self::origins::{OriginPattern, OriginPatternError, Origins};
pub use self::path::{PathPattern, PathPatternError};
#[cfg(feature = "auth")]
pub use self::policy::auth;
pub use self::policy::{
    Admitted, Endpoint, IpBlackList, OriginCheck, Policy, Question, Visitor, Watch,
};
pub use self::route::{Clients, Route};
pub(crate) use self::route_query::RouteQuery;
pub use self::router::{Router, RouterError};
pub use self::rule::{Rule, Verdict};
pub use self::settings::{SiteConnections, SiteSettings};
pub use self::site::Site;
pub(crate) use self::table::NotFound;
pub use self::table::Sites;
pub(crate) use self::unanswered::{Answering, Unanswered};
pub use self::user_agent::UserAgentPattern;
