//! Queries about a channel: its presence and its history.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::resource::{ErrorResponse, told};
use crate::push::{Channels, Position, Push, positioned};

/// Returns the clients on a channel, as JSON.
pub(super) async fn presence(channels: &Channels, name: &str) -> Value {
    let present = channels.who(name).await;
    let clients = present.attendees.iter();
    let clients = clients.map(|client| json!({ "id": client.id, "user": client.user }));
    json!({
        "channel": name,
        "count": present.count,
        "clients": clients.collect::<Vec<_>>(),
        "nodes": present.nodes,
        "whole": present.is_whole,
    })
}

/// Returns the publications on a channel after the position in `query`, or from the beginning: at
/// most a thousand, as JSON.
pub(super) async fn history(
    channels: &Channels,
    name: &str,
    query: Option<&str>,
) -> Result<Value, ErrorResponse> {
    if !channels.has_history() {
        return Err(told(
            StatusCode::NOT_FOUND,
            "there is no history: it needs a bus, with `history` in [bus]",
        ));
    }
    let parameters = query.unwrap_or_default().split('&');
    let mut parameters = parameters.filter_map(|one| one.split_once('='));
    let after = parameters.find(|(name, _)| *name == "after");
    let after = after
        .map(|(_, after)| after.parse::<Position>())
        .transpose();
    let after = after.map_err(|error| told(StatusCode::BAD_REQUEST, error))?;
    let offset = after.map_or(0, |after| after.offset);
    let past = channels.past(name, offset).await.ok_or_else(|| {
        told(
            StatusCode::SERVICE_UNAVAILABLE,
            "the bus cannot be reached: try again later",
        )
    })?;
    let is_new = |origin| !after.is_some_and(|after| after.has(origin));
    let last = past.entries.last().map_or(offset, |(offset, _, _)| *offset);
    let items = past.entries.into_iter();
    let items = items
        .filter(|(_, origin, publication)| is_new(*origin) && publication.audience.only.is_none());
    let items = items.filter_map(|(offset, _, publication)| {
        let Push::Message(message) = publication.push else {
            return None;
        };
        let mut item = positioned::value(Some(at(offset)), &message);
        if let (Some(item), Some(id)) = (item.as_object_mut(), publication.id) {
            item.insert("id".to_owned(), id.into());
        }
        Some(item)
    });
    Ok(json!({
        "channel": name,
        "at": at(last).to_string(),
        "items": items.collect::<Vec<_>>(),
        "more": past.has_more,
        "whole": past.is_whole,
    }))
}

fn at(offset: u64) -> Position {
    Position {
        offset,
        beyond: None,
    }
}
