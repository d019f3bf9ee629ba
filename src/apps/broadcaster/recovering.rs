//! A broadcast client that receives its position in the channel, and the messages it has missed.

use std::sync::Arc;

use futures_util::SinkExt;
use polysock_protocols::{Accept, Rejection, Request};

use crate::broadcast::{Queue, mailboxes};
use crate::error::BoxError;
use crate::handshake::Handshake;
use crate::push::{Attendee, Position, Receiving, Recovery};

/// The query parameter that requests recovery: `at=`, followed by the last position if there is
/// one.
const AT: &str = "at";

/// Reads the position of the client from the query. `None` without the parameter; the inner `None`
/// if the client has no position yet.
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
            format_args!("the parameter `at` of the URL is not valid: {error}"),
        )
    }))
}

/// Serves a client that has requested recovery.
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
    // `Recovery` collects publications from here on, before the client is accepted.
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
