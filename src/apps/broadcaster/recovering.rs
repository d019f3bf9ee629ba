//! A client that is told how much of the channel it has got, and gets what it has missed.

use std::sync::Arc;

use futures_util::SinkExt;
use polysock_protocols::{Accept, Rejection, Request};

use crate::broadcast::{Queue, mailboxes};
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::push::{Attendee, Position, Receiving, Recovery};

/// The parameter of the query that asks for it: `at=`, and what the last message came with if there was one.
const AT: &str = "at";

/// What such a client has got: `None` where it is none, and within where it begins.
pub(super) fn wanted(request: &Request) -> Option<Result<Option<Position>, Rejection>> {
    let (_, query) = request.target.split_once('?')?;
    let mut parameters = query.split('&').filter_map(|one| one.split_once('='));
    let (_, at) = parameters.find(|(name, _)| *name == AT)?;
    if at.is_empty() {
        return Some(Ok(None));
    }
    let at = at.parse::<Position>();
    Some(at.map(Some).map_err(|error| {
        Rejection::new(
            400,
            format_args!("the parameter `at` of the address is none: {error}"),
        )
    }))
}

/// Serves one.
pub(super) async fn serve(
    handshake: Handshake,
    accept: Accept,
    channel: Arc<Receiving>,
    since: Option<Position>,
    attendee: Attendee,
    queue: Queue,
) -> Result<(), BoxError> {
    let Some((channels, name)) = channel.channel() else {
        return Ok(());
    };
    // From here on nothing is missed.
    let mut recovery = Recovery::new(channels, name, since);
    let mut connection = handshake.accept(accept).await?;
    let mut messages = recovery.begin().await;
    loop {
        for message in messages {
            connection.send(message).await?;
        }
        match recovery.next().await {
            Some(more) => messages = more,
            None => break,
        }
    }
    let mut post = mailboxes(queue);
    let _subscribed = recovery.join(&post.mailbox(), attendee);
    while let Some(message) = post.next(&mut connection).await.transpose()? {
        channel.publish(message);
    }
    Ok(())
}
