//! Observation of the events that pass through a session.

use std::any::Any;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::Session;
use crate::error::{EncodeError, ProtocolError};
use crate::message::Event;
use crate::protocol::{Capabilities, Codec};
use crate::raw::RawCodec;
use crate::write_buf::WriteBuf;

/// An observer of a session's events, for [`Session::watch`].
pub trait Watcher: fmt::Debug + Send {
    /// Receives an event together with its bytes on the wire, masked and compressed as they were
    /// transferred. A message may arrive in several pieces.
    fn watch(&mut self, watched: Watched<'_>, wire: Bytes);
}

/// An event that a watcher receives.
#[derive(Clone, Copy, Debug)]
pub enum Watched<'a> {
    /// The peer has sent the event.
    Received(&'a Event),
    /// The event is being sent to the peer.
    Sent(&'a Event),
    /// The bytes, or some of them, break the protocol.
    Failed(&'a ProtocolError),
}

impl Session {
    /// Passes all events from now on to `watcher`, which replaces the previous watcher. The cost is
    /// that of copying all bytes. [`unwatch`](Self::unwatch) ends it.
    pub fn watch(&mut self, watcher: Box<dyn Watcher>) {
        self.unwatch();
        let codec = std::mem::replace(&mut self.codec, RawCodec::boxed());
        self.set_codec(Box::new(WatchedCodec::new(codec, watcher)));
    }

    /// Removes the watcher, if there is one.
    pub fn unwatch(&mut self) {
        let codec: &mut dyn Any = &mut *self.codec;
        if let Some(watched) = codec.downcast_mut::<WatchedCodec>() {
            let codec = watched.take();
            self.set_codec(codec);
        }
    }

    fn set_codec(&mut self, codec: Box<dyn Codec>) {
        self.writes = codec.writes();
        self.reads = None;
        self.codec = codec;
    }
}

/// A codec that reports its events to a watcher. Every message passes through it: it has no fast
/// paths.
#[derive(Debug)]
struct WatchedCodec {
    codec: Box<dyn Codec>,
    watcher: Box<dyn Watcher>,
    /// Received bytes that are not yet part of an event. They are a copy, since a codec unmasks in
    /// place.
    came: BytesMut,
    /// The number of bytes at the end of `came` that were still in `src` after the last decode.
    waits: usize,
}

impl WatchedCodec {
    fn new(codec: Box<dyn Codec>, watcher: Box<dyn Watcher>) -> Self {
        Self {
            codec,
            watcher,
            came: BytesMut::new(),
            waits: 0,
        }
    }

    /// Takes the inner codec out.
    fn take(&mut self) -> Box<dyn Codec> {
        std::mem::replace(&mut self.codec, RawCodec::boxed())
    }

    /// Returns the wire bytes of the last decoded event; `left` bytes after it are undecoded.
    fn decoded(&mut self, left: usize) -> Bytes {
        let decoded = self.came.len().saturating_sub(left);
        self.waits = left.min(self.came.len());
        self.came.split_to(decoded).freeze()
    }
}

impl Codec for WatchedCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        // The new bytes in `src` follow those of the previous call.
        let new = src.get(self.waits..).unwrap_or_default();
        self.came.extend_from_slice(new);
        let decoded = self.codec.decode(src);
        match &decoded {
            Ok(Some(event)) => {
                let wire = self.decoded(src.len());
                self.watcher.watch(Watched::Received(event), wire);
            }
            // A consumed header belongs to the next event: its bytes stay in `came`.
            Ok(None) => self.waits = src.len(),
            Err(error) => {
                let wire = self.decoded(0);
                self.watcher.watch(Watched::Failed(error), wire);
            }
        }
        decoded
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        let mut own = WriteBuf::new();
        self.codec.encode(event.clone(), &mut own)?;
        let wire = own.copy_to_bytes(own.remaining());
        dst.put_shared(&wire);
        self.watcher.watch(Watched::Sent(&event), wire);
        Ok(())
    }

    fn announced(&self) -> Option<u64> {
        self.codec.announced()
    }

    fn held(&self) -> Option<usize> {
        self.codec.held()
    }

    fn extension(&self) -> Option<&'static str> {
        self.codec.extension()
    }

    fn capabilities(&self) -> Capabilities {
        self.codec.capabilities()
    }
}
