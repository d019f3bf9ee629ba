//! The recording of a connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::pcap::{Conversation, End, Note, Peer, Run};

/// The memory that a segment needs besides its bytes.
const OVERHEAD: usize = 100;

/// The limit on the size of all recordings that are not written yet, in bytes.
const MAX_HELD: usize = 256 << 20;

/// The bytes that both sides of a connection sent, with the times, up to a limit.
#[derive(Debug)]
pub(super) struct Recording {
    conversation: Conversation,
    began: Instant,
    /// The limit on the size of this recording, in bytes. `held` is its size.
    max: usize,
    held: usize,
    /// The size of all recordings.
    all: Arc<AtomicUsize>,
    is_full: bool,
}

impl Recording {
    /// Creates the recording of a connection that begins now.
    pub(super) fn new(
        client: SocketAddr,
        server: SocketAddr,
        max: usize,
        all: Arc<AtomicUsize>,
    ) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            conversation: Conversation {
                client,
                server,
                // A clock before 1970 is not set.
                began: now.unwrap_or_default(),
                runs: Vec::new(),
                ends: Vec::new(),
                notes: Vec::new(),
            },
            began: Instant::now(),
            max,
            held: 0,
            all,
            is_full: false,
        }
    }

    /// Records bytes that one side has sent.
    pub(super) fn note(&mut self, from: Peer, bytes: &[u8]) {
        if bytes.is_empty() || !self.has_room(bytes.len()) {
            return;
        }
        let run = Run {
            at: self.now(),
            from,
            bytes: Bytes::copy_from_slice(bytes),
        };
        self.conversation.runs.push(run);
    }

    /// Records that one side has ended. Further calls for the same side are ignored.
    pub(super) fn note_end(&mut self, by: Peer, reset: bool) {
        if !self.has_ended(by) && !self.is_full {
            let at = self.now();
            self.conversation.ends.push(End { at, by, reset });
        }
    }

    /// Records that the connection was cut before either side ended.
    pub(super) fn note_cut(&mut self) {
        self.conversation.notes.push(Note::Unfinished);
    }

    pub(super) fn has_ended(&self, by: Peer) -> bool {
        self.conversation.ends.iter().any(|end| end.by == by)
    }

    pub(super) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Whether `len` more bytes may be recorded. After the first refusal nothing more is recorded:
    /// bytes after a gap would make no sense.
    fn has_room(&mut self, len: usize) -> bool {
        if self.is_full {
            return false;
        }
        let cost = len.saturating_add(OVERHEAD);
        let held = self.held.saturating_add(cost);
        let all = self.all.fetch_add(cost, Ordering::Relaxed);
        if held > self.max || all.saturating_add(cost) > MAX_HELD {
            self.all.fetch_sub(cost, Ordering::Relaxed);
            self.is_full = true;
            let lens = self.conversation.runs.iter().map(|run| run.bytes.len());
            self.conversation.notes.push(Note::Longer(lens.sum()));
            return false;
        }
        self.held = held;
        true
    }

    /// Returns the time since the connection began, later than that of every record.
    fn now(&self) -> Duration {
        let run = self.conversation.runs.last().map(|run| run.at);
        let end = self.conversation.ends.last().map(|end| end.at);
        let last = run.max(end).unwrap_or_default();
        self.began.elapsed().max(last + Duration::from_nanos(1))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.all.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(max: usize, all: &Arc<AtomicUsize>) -> Recording {
        let address = ([127, 0, 0, 1], 80).into();
        Recording::new(address, address, max, Arc::clone(all))
    }

    #[test]
    fn a_full_recording_keeps_nothing_after_a_gap() {
        let all = Arc::new(AtomicUsize::new(0));
        let mut full = recording(1000, &all);
        full.note(Peer::Client, &[b'x'; 700]);
        full.note(Peer::Server, &[b'y'; 200]);
        full.note(Peer::Server, b"z");
        full.note_end(Peer::Client, false);
        let conversation = full.conversation();
        assert_eq!(conversation.runs.len(), 1);
        assert_eq!(conversation.ends, []);
        assert_eq!(conversation.notes, [Note::Longer(700)]);
        drop(full);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_memory_of_all_recordings_is_bounded() {
        let all = Arc::new(AtomicUsize::new(MAX_HELD - 500));
        let mut last = recording(usize::MAX, &all);
        last.note(Peer::Client, &[b'x'; 300]);
        last.note(Peer::Client, b"x");
        assert_eq!(last.conversation().runs.len(), 1);
        assert_eq!(last.conversation().notes, [Note::Longer(300)]);
    }

    #[test]
    fn every_time_is_later_than_the_one_before() {
        let mut recording = recording(usize::MAX, &Arc::default());
        for _ in 0..100 {
            recording.note(Peer::Client, b"x");
            recording.note(Peer::Server, b"y");
        }
        recording.note_end(Peer::Client, false);
        recording.note_end(Peer::Client, true);
        recording.note_end(Peer::Server, false);
        let conversation = recording.conversation();
        assert!(
            conversation
                .runs
                .is_sorted_by(|one, other| one.at < other.at)
        );
        let [client, server] = conversation.ends[..] else {
            panic!("two ends");
        };
        assert!(conversation.runs.last().unwrap().at < client.at && client.at < server.at);
    }
}
