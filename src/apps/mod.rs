//! Applications that come with Polysock.

mod application;
mod broadcaster;
mod chat;
mod echo;
mod pages;
mod relay;

pub use self::application::Application;
pub use self::broadcaster::Broadcaster;
pub use self::chat::{CHAT_PAGE, Chat};
pub use self::echo::echo;
pub use self::pages::Pages;
pub use self::relay::Relay;
