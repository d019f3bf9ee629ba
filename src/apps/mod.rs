//! Applications that are included in Polysock.

mod application;
mod broadcaster;
mod chat;
pub mod component;
mod echo;
mod files;
#[cfg(feature = "grip")]
pub mod grip;
mod layer;
mod pages;
mod proxy;
#[cfg(feature = "grip")]
mod publisher;
mod relay;
#[cfg(feature = "wamp")]
pub mod wamp;

pub use self::application::Application;
pub use self::broadcaster::Broadcaster;
pub use self::chat::{CHAT_PAGE, Chat};
pub use self::echo::echo;
pub use self::files::Files;
pub use self::layer::{Layer, Layered};
pub use self::pages::Pages;
pub use self::proxy::Proxy;
#[cfg(feature = "grip")]
pub use self::publisher::{ItemError, Publisher};
pub use self::relay::Relay;
