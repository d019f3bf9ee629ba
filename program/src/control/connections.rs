//! Open connections, and filters that select some of them.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::time::Duration;

use polysock::{ConnectionId, OpenConnection, Registry};
use serde_json::{Value, json};

use crate::flags::values;

/// A filter of connections, and the way they are listed.
#[derive(Debug, Default)]
pub(super) struct Filter {
    protocol: Option<String>,
    transport: Option<String>,
    route: Option<String>,
    peer: Option<String>,
    user_agent: Option<String>,
    older: Option<Duration>,
    idle: Option<Duration>,
    page: Page,
}

/// The part of the selected connections that is listed.
#[derive(Debug)]
struct Page {
    sort: Sort,
    limit: usize,
    cursor: Option<ConnectionId>,
}

/// The order of listed connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// By their start.
    Id,
    Age,
    Idle,
    Held,
    Received,
    Sent,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            sort: Sort::Id,
            limit: 100,
            cursor: None,
        }
    }
}

/// The most connections in one list.
const MOST: usize = 100_000;

/// The names of the filter's parameters.
const NAMES: &str =
    "protocol, transport, route, peer, user_agent, older, idle, sort, limit, cursor";

impl Filter {
    /// Builds a filter from the pairs of a query or the fields of a JSON object.
    ///
    /// # Errors
    ///
    /// A name or a value is unknown. The text says how to correct it.
    pub(super) fn of<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in fields {
            let text = || Some(value.to_owned());
            let duration = || {
                values::duration(value)
                    .map(Some)
                    .map_err(|error| format!("{name}: {error}"))
            };
            match name {
                "protocol" => filter.protocol = text(),
                "transport" => filter.transport = text(),
                "route" => filter.route = text(),
                "peer" => filter.peer = text(),
                "user_agent" => filter.user_agent = text(),
                "older" => filter.older = duration()?,
                "idle" => filter.idle = duration()?,
                "sort" => {
                    filter.page.sort = match value.trim_start_matches('-') {
                        "id" => Sort::Id,
                        "age" => Sort::Age,
                        "idle" => Sort::Idle,
                        "held" | "buffered" => Sort::Held,
                        "received" => Sort::Received,
                        "sent" => Sort::Sent,
                        _ => return Err("sort: write id, age, idle, held, received or sent".into()),
                    };
                }
                "limit" => {
                    let limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=MOST).contains(limit));
                    filter.page.limit =
                        limit.ok_or_else(|| format!("limit: write a number from 1 to {MOST}"))?;
                }
                "cursor" => {
                    let cursor = value.parse().map_err(|error| format!("cursor: {error}"))?;
                    filter.page.cursor = Some(cursor);
                }
                _ => return Err(format!("{name} is not a parameter: write one of {NAMES}")),
            }
        }
        Ok(filter)
    }

    /// True if the filter selects every connection.
    pub(super) fn is_everything(&self) -> bool {
        let Self {
            protocol,
            transport,
            route,
            peer,
            user_agent,
            older,
            idle,
            page: _,
        } = self;
        [protocol, transport, route, peer, user_agent]
            .iter()
            .all(|text| text.is_none())
            && older.is_none()
            && idle.is_none()
    }

    /// True if the filter selects the connection.
    pub(super) fn chooses(&self, connection: &OpenConnection) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| value == Some(wanted))
        };
        let route = connection.route.as_deref().unwrap_or_default();
        let peer = connection.peer.as_deref();
        let agent = connection.user_agent.as_deref().unwrap_or_default();
        is(&self.protocol, Some(connection.protocol))
            && is(&self.transport, Some(connection.transport))
            && is(&self.route, Some(route))
            && self.peer.as_deref().is_none_or(|wanted| {
                // A peer may be given with or without its port.
                peer.is_some_and(|peer| {
                    peer == wanted
                        || peer
                            .rsplit_once(':')
                            .is_some_and(|(host, _)| host == wanted)
                })
            })
            && self
                .user_agent
                .as_deref()
                .is_none_or(|wanted| agent.contains(wanted))
            && self.older.is_none_or(|older| connection.age >= older)
            && self.idle.is_none_or(|idle| connection.idle >= idle)
    }

    /// Returns the page of selected connections, their total number, and the cursor of the next
    /// page if there is one.
    pub(super) fn list(
        &self,
        registry: &Registry,
    ) -> (Vec<OpenConnection>, usize, Option<ConnectionId>) {
        let mut chosen = registry.connections(|connection| self.chooses(connection));
        let count = chosen.len();
        let Page {
            sort,
            limit,
            cursor,
        } = self.page;
        sort.apply(&mut chosen);
        if let (Sort::Id, Some(cursor)) = (sort, cursor) {
            chosen.retain(|connection| connection.id > cursor);
        }
        let has_more = sort == Sort::Id && chosen.len() > limit;
        chosen.truncate(limit);
        let next = chosen.last().map(|last| last.id).filter(|_| has_more);
        (chosen, count, next)
    }
}

impl Sort {
    /// Sorts connections, which already come sorted by [`Id`](Self::Id).
    pub(super) fn apply<C: Borrow<OpenConnection>>(self, connections: &mut [C]) {
        match self {
            Self::Id => {}
            Self::Age => connections.sort_by_key(|one| Reverse(one.borrow().age)),
            Self::Idle => connections.sort_by_key(|one| Reverse(one.borrow().idle)),
            Self::Held => connections.sort_by_key(|one| Reverse(one.borrow().held)),
            Self::Received => {
                connections.sort_by_key(|one| Reverse(one.borrow().traffic.received));
            }
            Self::Sent => connections.sort_by_key(|one| Reverse(one.borrow().traffic.sent)),
        }
    }
}

/// The JSON of a connection.
pub(super) fn to_json(connection: &OpenConnection) -> Value {
    json!({
        "id": connection.id.to_string(),
        "protocol": connection.protocol,
        "transport": connection.transport,
        "route": connection.route.as_deref(),
        "peer": connection.peer,
        "target": connection.target,
        "upstream": connection.upstream,
        "user_agent": connection.user_agent,
        "origin": connection.origin,
        "age_seconds": connection.age.as_secs_f64(),
        "idle_seconds": connection.idle.as_secs(),
        "received_bytes": connection.traffic.received,
        "sent_bytes": connection.traffic.sent,
        "received_messages": connection.traffic.messages_received,
        "sent_messages": connection.traffic.messages_sent,
        "held_bytes": connection.held,
        "tapped": connection.is_tapped,
        "closing": connection.closing.map(polysock::CloseCode::get),
    })
}
