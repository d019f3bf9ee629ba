//! A chat room for the clients of all protocols.
//!
//! The room sends lines of fields separated by tabs:
//!
//! ```text
//!   welcome NAME PROTOCOL        to the new member
//!   here    NAME PROTOCOL        to the new member, for each member that is present
//!   join    NAME PROTOCOL        to the other members
//!   leave   NAME PROTOCOL        to the other members
//!   say     NAME PROTOCOL TEXT   to all members
//! ```
//!
//! Each text message from a client is sent as `say`. `?name=ann` in the URL chooses a name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::future::BoxFuture;
use futures_util::SinkExt;
use polysock_protocols::{Accept, Close, CloseCode, Message, Request};

use super::application::Application;
use crate::broadcast::{Broadcast, Queue, Subscription};
use crate::connection::Connection;
use crate::error::BoxError;
use crate::handshake::Handshake;

/// The page of the chat, for any browser since 2010.
pub const CHAT_PAGE: &str = include_str!("chat.html");

/// The longest name in characters.
const MAX_NAME: usize = 24;

/// The application of `polysock serve --app chat`: one room.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    room: Arc<Room>,
    queue: Queue,
}

#[derive(Debug, Default)]
struct Room {
    members: Mutex<Members>,
    said: Broadcast,
}

#[derive(Debug, Default)]
struct Members {
    /// The members' names and protocols, in the order in which they joined.
    present: BTreeMap<u64, (String, &'static str)>,
    joined: u64,
}

impl Chat {
    /// The limit of a chat message, in bytes: a value for
    /// [`SessionConfig::max_message`](polysock_protocols::SessionConfig::max_message).
    pub const MAX_MESSAGE: u64 = 16 << 10;

    /// Creates an empty room.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limit of queued messages for a member that reads slowly, and the action when the
    /// limit is exceeded. By default the member loses the oldest messages.
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        Self { queue, ..self }
    }
}

impl Application for Chat {
    fn serve(&self, handshake: Handshake) -> BoxFuture<'static, Result<(), BoxError>> {
        let (room, queue) = (Arc::clone(&self.room), self.queue);
        Box::pin(async move {
            let accept = Accept::first_offered(handshake.request());
            let name = asked_name(handshake.request());
            let mut connection = handshake.accept(accept).await?;
            let protocol = connection.protocol();
            let (member, greeting, mut said) = Member::join(room, name, protocol, queue);
            for line in greeting {
                connection.feed(line.into()).await?;
            }
            member.talk(connection, &mut said).await
        })
    }
}

/// A member of the room. Dropping it leaves the room.
struct Member {
    room: Arc<Room>,
    id: u64,
    name: String,
    protocol: &'static str,
}

impl Member {
    /// Enters the room. Returns the member, its greeting, and a subscription to all later lines.
    fn join(
        room: Arc<Room>,
        name: Option<String>,
        protocol: &'static str,
        queue: Queue,
    ) -> (Self, Vec<String>, Subscription) {
        let mut members = room.lock();
        members.joined += 1;
        let id = members.joined;
        let taken = |name: &String| members.present.values().any(|(other, _)| other == name);
        let name = name
            .filter(|name| !taken(name))
            .unwrap_or_else(|| format!("guest-{id}"));
        let mut greeting = vec![format!("welcome\t{name}\t{protocol}")];
        let present = members.present.values();
        greeting.extend(present.map(|(name, protocol)| format!("here\t{name}\t{protocol}")));
        room.say(&members, format!("join\t{name}\t{protocol}"));
        members.present.insert(id, (name.clone(), protocol));
        // Under the lock, so that the member list and the subscription agree: no member is missing
        // or announced twice, and no line is sent in between. A slow reader blocks nobody.
        let said = room.said.subscribe(queue);
        drop(members);
        let member = Self {
            room,
            id,
            name,
            protocol,
        };
        (member, greeting, said)
    }

    /// Publishes the texts from the connection, and sends it the lines of the room.
    async fn talk(
        self,
        mut connection: Connection,
        said: &mut Subscription,
    ) -> Result<(), BoxError> {
        while let Some(message) = said.next(&mut connection).await.transpose()? {
            match message {
                Message::Text(text) => self.say(&text),
                Message::Binary(_) => {
                    let close = Close::new(CloseCode::UNSUPPORTED_DATA, "send text, not binary");
                    return Ok(connection.close(Some(close)).await?);
                }
            }
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        let text = text.replace(['\t', '\r', '\n'], " ");
        let (name, protocol) = (&self.name, self.protocol);
        let line = format!("say\t{name}\t{protocol}\t{text}");
        self.room.say(&self.room.lock(), line);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.room.lock();
        members.present.remove(&self.id);
        let (name, protocol) = (&self.name, self.protocol);
        self.room
            .say(&members, format!("leave\t{name}\t{protocol}"));
    }
}

impl Room {
    /// Publishes a line while the member list is locked: members that were announced earlier
    /// receive all lines that follow.
    fn say(&self, _: &MutexGuard<'_, Members>, line: String) {
        self.said.publish(line.into());
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // Each operation leaves the member list consistent, so a panic cannot break it.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name from the query, without control characters and at most [`MAX_NAME`] long.
fn asked_name(request: &Request) -> Option<String> {
    let (_, query) = request.target.split_once('?')?;
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("name="))?;
    let name: String = percent_decoded(value)
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_NAME)
        .collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Decodes `%41+b` to `A b`. Invalid escapes are left unchanged.
fn percent_decoded(value: &str) -> String {
    let mut rest = value.as_bytes();
    let mut decoded = Vec::new();
    while let [byte, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = tail;
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_valid() {
        assert_eq!(percent_decoded("a%20b+c%C3%A9%"), "a b cé%");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
    }
}
