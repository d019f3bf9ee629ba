//! Applications that come with Polysock.

mod broadcast;
mod chat;
mod echo;
mod relay;

pub use self::broadcast::Broadcaster;
pub use self::chat::{CHAT_PAGE, Chat};
pub use self::echo::echo;
pub use self::relay::Relay;
