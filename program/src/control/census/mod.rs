//! A census of clients: protocols, devices and origins, with the time each was last seen.
//!
//! It answers a question that logs do not answer at a glance: can an old protocol be switched off,
//! and which clients would that exclude?

mod device;
mod fingerprint;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use polysock::protocols::{Request, hide_secrets};
use polysock::{ConnectionId, Described, Ending, Observer, OpenConnection, Refusal, Traffic};
use serde_json::{Map, Value, json};

use self::device::device;
use self::fingerprint::Fingerprint;

/// The most rows. The row that was seen longest ago is evicted.
const ROWS: usize = 500;

/// The time without a client after which a protocol may be switched off.
const RETIRED: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A census of clients.
#[derive(Debug, Default)]
pub(crate) struct Census {
    rows: Mutex<HashMap<CensusKey, CensusEntry>>,
    /// The open connections whose clients send no user agent.
    unnamed: Mutex<Unnamed>,
}

/// The devices of connections without a user agent. Their fingerprints are not kept.
#[derive(Debug, Default)]
struct Unnamed {
    devices: HashMap<ConnectionId, Arc<str>>,
    /// Every name once; the connections share it.
    names: HashSet<Arc<str>>,
}

impl Unnamed {
    fn opened(&mut self, id: ConnectionId, device: &str) {
        let name = match self.names.get(device) {
            Some(name) => Arc::clone(name),
            None => {
                // Drops the names that no open connection uses.
                self.names.retain(|name| Arc::strong_count(name) > 1);
                let name = Arc::from(device);
                self.names.insert(Arc::clone(&name));
                name
            }
        };
        self.devices.insert(id, name);
    }
}

/// The key of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CensusKey {
    pub(super) protocol: String,
    pub(super) device: String,
    pub(super) origin: String,
}

/// The contents of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CensusEntry {
    pub(super) total: u64,
    pub(super) first: SystemTime,
    pub(super) last: SystemTime,
    /// The user agent, or the fingerprint if there is none.
    pub(super) last_user_agent: String,
    pub(super) last_refusal: Option<String>,
}

/// A row, with the number of its open connections.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) who: CensusKey,
    pub(super) seen: CensusEntry,
    pub(super) live: u64,
}

impl Observer for Census {
    fn opened(&self, connection: &Described<'_>, request: &Request, _: Duration) {
        let agent = request.user_agent();
        let (device, shown) = match agent.as_deref() {
            Some(agent) => (device(agent), cut(agent)),
            None => {
                let fingerprint = Fingerprint::of(&request.head);
                let device = fingerprint.device();
                self.unnamed().opened(connection.id, &device);
                (device, fingerprint.to_string())
            }
        };
        let who = CensusKey {
            protocol: request.protocol.name().to_owned(),
            device,
            origin: origin(request.origin.as_deref()),
        };
        self.note(who, SystemTime::now(), |seen| {
            seen.total += 1;
            seen.last_user_agent = shown;
        });
    }

    /// Records a refusal, if the client sends a user agent and its device was here before.
    fn refused(&self, refusal: &Refusal) {
        let Some(agent) = refusal.user_agent() else {
            return;
        };
        let device = device(&agent);
        let mut rows = self.lock();
        let of_device = rows.iter_mut().filter(|(who, _)| who.device == device);
        if let Some((_, seen)) = of_device.max_by_key(|(_, seen)| seen.last) {
            seen.last_refusal = Some(refusal.reason.to_owned());
        }
    }

    fn closed(&self, connection: &Described<'_>, _: &Ending, _: &Traffic) {
        if connection.user_agent.is_none() {
            self.unnamed().devices.remove(&connection.id);
        }
    }
}

impl Census {
    /// Returns all rows with the counts of `open`: the most open connections first, then the
    /// latest.
    pub(super) fn rows(&self, open: &[OpenConnection]) -> Vec<Row> {
        let mut live = HashMap::<CensusKey, u64>::new();
        let mut classes = HashMap::<&str, String>::new();
        let unnamed = self.unnamed();
        for connection in open {
            let class = match connection.user_agent.as_deref() {
                Some(agent) => &**classes.entry(agent).or_insert_with(|| device(agent)),
                None => match unnamed.devices.get(&connection.id) {
                    Some(device) => device,
                    None => continue,
                },
            };
            let who = CensusKey {
                protocol: connection.protocol.to_owned(),
                device: class.to_owned(),
                origin: origin(connection.origin.as_deref()),
            };
            *live.entry(who).or_default() += 1;
        }
        drop(unnamed);
        let rows = self.lock();
        let rows = rows.iter().map(|(who, seen)| Row {
            live: live.get(who).copied().unwrap_or(0),
            who: who.clone(),
            seen: seen.clone(),
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|one, other| {
            let order = (other.live, other.seen.last).cmp(&(one.live, one.seen.last));
            order.then_with(|| one.who.cmp(&other.who))
        });
        rows
    }

    /// Returns the enabled protocols that no client has spoken for ninety days, each with the time
    /// of its last use if there was any.
    pub(super) fn retired(
        &self,
        enabled: &[String],
        since: SystemTime,
        now: SystemTime,
    ) -> Vec<(String, Option<SystemTime>)> {
        let rows = self.lock();
        let last = |protocol: &str| {
            let of_protocol = rows.iter().filter(|(who, _)| who.protocol == protocol);
            of_protocol.map(|(_, seen)| seen.last).max()
        };
        let enabled = enabled.iter().filter_map(|protocol| {
            let last = last(protocol);
            let quiet = now.duration_since(last.unwrap_or(since)).ok()?;
            (quiet >= RETIRED).then(|| (protocol.clone(), last))
        });
        enabled.collect()
    }

    /// The start of the recorded time: `began`, or the first client seen before that.
    pub(super) fn since(&self, began: SystemTime) -> SystemTime {
        let rows = self.lock();
        let first = rows.values().map(|seen| seen.first).min();
        first.map_or(began, |first| first.min(began))
    }

    fn note(&self, who: CensusKey, now: SystemTime, change: impl FnOnce(&mut CensusEntry)) {
        let mut rows = self.lock();
        if rows.len() >= ROWS && !rows.contains_key(&who) {
            let oldest = rows.iter().min_by_key(|(_, seen)| seen.last);
            if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                rows.remove(&oldest);
            }
        }
        let seen = rows.entry(who).or_insert_with(|| CensusEntry {
            total: 0,
            first: now,
            last: now,
            last_user_agent: String::new(),
            last_refusal: None,
        });
        seen.last = now;
        change(seen);
    }

    /// Loads the rows from a file that [`store`](Self::store) has written.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has another format.
    pub(crate) fn load(&self, file: &Path) -> io::Result<()> {
        let value: Value = serde_json::from_slice(&fs::read(file)?)?;
        let rows = value.get("rows").and_then(Value::as_array);
        let Some(rows) = rows else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file contains no rows",
            ));
        };
        let mut known = self.lock();
        known.extend(rows.iter().take(ROWS).filter_map(from_json));
        Ok(())
    }

    /// Writes the rows to a file, atomically.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(crate) fn store(&self, file: &Path) -> io::Result<()> {
        let rows: Vec<_> = self
            .lock()
            .iter()
            .map(|(who, seen)| to_json(who, seen))
            .collect();
        let mut new = file.as_os_str().to_owned();
        new.push(".new");
        fs::write(&new, json!({ "version": 1, "rows": rows }).to_string())?;
        fs::rename(&new, file)
    }

    fn unnamed(&self) -> MutexGuard<'_, Unnamed> {
        // The same as for the rows.
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CensusKey, CensusEntry>> {
        // The rows are whole between any two operations, so a panic cannot break them.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest recorded text from a client, in characters.
const SHOWN: usize = 200;

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// The recorded form of an origin: secrets masked, and truncated.
fn origin(origin: Option<&str>) -> String {
    origin.map_or_else(String::new, |origin| cut(&hide_secrets(origin)))
}

fn to_json(who: &CensusKey, seen: &CensusEntry) -> Value {
    json!({
        "protocol": who.protocol,
        "device": who.device,
        "origin": who.origin,
        "total": seen.total,
        "first_seen": seconds(seen.first),
        "last_seen": seconds(seen.last),
        "last_user_agent": seen.last_user_agent,
        "last_refusal": seen.last_refusal,
    })
}

impl Row {
    pub(super) fn to_json(&self) -> Value {
        let mut value = to_json(&self.who, &self.seen);
        if let Some(object) = value.as_object_mut() {
            object.insert("live".into(), self.live.into());
        }
        value
    }
}

fn from_json(value: &Value) -> Option<(CensusKey, CensusEntry)> {
    let row = value.as_object()?;
    let text = |name: &str| Some(row.get(name)?.as_str()?.to_owned());
    let time = |row: &Map<String, Value>, name: &str| {
        let seconds = row.get(name)?.as_u64()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    };
    let who = CensusKey {
        protocol: text("protocol")?,
        device: text("device")?,
        origin: text("origin")?,
    };
    let seen = CensusEntry {
        total: row.get("total")?.as_u64()?,
        first: time(row, "first_seen")?,
        last: time(row, "last_seen")?,
        last_user_agent: text("last_user_agent").unwrap_or_default(),
        last_refusal: text("last_refusal"),
    };
    Some((who, seen))
}

/// The seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    fn who(number: usize) -> CensusKey {
        CensusKey {
            protocol: "hixie-76".into(),
            device: format!("device {number}"),
            origin: String::new(),
        }
    }

    #[test]
    fn the_row_that_was_seen_longest_ago_is_evicted() {
        let census = Census::default();
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        for number in 0..ROWS + 10 {
            census.note(who(number), at(number as u64), |seen| seen.total += 1);
        }
        let rows = census.rows(&[]);
        assert_eq!(rows.len(), ROWS);
        assert_eq!(rows[0].who, who(ROWS + 9));
        assert_eq!(rows[ROWS - 1].who, who(10));
    }

    #[test]
    fn the_census_is_stored_and_loaded_again() {
        let census = Census::default();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for number in 0..3 {
            census.note(who(number), at, |seen| {
                seen.total += 2;
                seen.last_user_agent = "<script>\u{202e}".into();
                seen.last_refusal = Some("key".into());
            });
        }
        let name = format!("polysock-census-{}.json", std::process::id());
        let file = std::env::temp_dir().join(name);
        census.store(&file).unwrap();
        let again = Census::default();
        again.load(&file).unwrap();
        assert_eq!(*again.lock(), *census.lock());
        fs::write(&file, "{}").unwrap();
        assert!(again.load(&file).is_err());
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_protocol_without_recent_clients_is_reported_as_unused() {
        let census = Census::default();
        let day = Duration::from_secs(24 * 60 * 60);
        let now = SystemTime::UNIX_EPOCH + 1000 * day;
        census.note(who(1), now - 91 * day, |_| {});
        let mut other = who(2);
        other.protocol = "hybi-10".into();
        census.note(other, now - 89 * day, |_| {});
        let enabled = ["hixie-75", "hixie-76", "hybi-10"].map(str::to_owned);
        let retired = census.retired(&enabled, now - 100 * day, now);
        let expected = vec![
            ("hixie-75".to_owned(), None),
            ("hixie-76".to_owned(), Some(now - 91 * day)),
        ];
        assert_eq!(retired, expected);
        // A server that was started today has no ninety days of data yet.
        assert_eq!(census.retired(&enabled[..1], now, now), []);
    }
}
