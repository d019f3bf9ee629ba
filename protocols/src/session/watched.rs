//! Looking on at what goes through a session.

use std::any::Any;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::Session;
use crate::error::{EncodeError, ProtocolError};
use crate::message::Event;
use crate::protocol::{Capabilities, Codec};
use crate::raw::RawCodec;
use crate::write_buf::WriteBuf;

/// Looks on at what goes through a session, for [`Session::watch`].
pub trait Watcher: fmt::Debug + Send {
    /// Is told of something, and of the bytes on the wire that are it: as they came, masked and compressed.
    /// A message may come in pieces.
    fn watch(&mut self, watched: Watched<'_>, wire: Bytes);
}

/// What a watcher is told of.
#[derive(Clone, Copy, Debug)]
pub enum Watched<'a> {
    /// It has come from the peer.
    Received(&'a Event),
    /// It goes to the peer.
    Sent(&'a Event),
    /// The peer has broken the protocol with these bytes, or some of them.
    Failed(&'a ProtocolError),
}

impl Session {
    /// Has somebody look on at what goes through from now on, instead of who did before. It costs what a copy of
    /// all bytes does; [`unwatch`](Self::unwatch) ends it.
    pub fn watch(&mut self, watcher: Box<dyn Watcher>) {
        self.unwatch();
        let codec = std::mem::replace(&mut self.codec, RawCodec::boxed());
        self.set_codec(Box::new(WatchedCodec::new(codec, watcher)));
    }

    /// Lets who looks on go.
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

/// A codec that somebody looks on at. Every message goes through it, so it has none of the fast paths.
#[derive(Debug)]
struct WatchedCodec {
    codec: Box<dyn Codec>,
    watcher: Box<dyn Watcher>,
    /// What has come and was not part of an event yet, as it came: a codec unmasks in place.
    came: BytesMut,
    /// How much of that waits to be decoded still, and is all that does.
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

    /// The codec without the one who looks on.
    fn take(&mut self) -> Box<dyn Codec> {
        std::mem::replace(&mut self.codec, RawCodec::boxed())
    }

    /// The bytes of what was decoded last, where so many wait still.
    fn decoded(&mut self, left: usize) -> Bytes {
        let decoded = self.came.len().saturating_sub(left);
        self.waits = left.min(self.came.len());
        self.came.split_to(decoded).freeze()
    }
}

impl Codec for WatchedCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        // What has come since is behind what waited.
        let new = src.get(self.waits..).unwrap_or_default();
        self.came.extend_from_slice(new);
        let decoded = self.codec.decode(src);
        match &decoded {
            Ok(Some(event)) => {
                let wire = self.decoded(src.len());
                self.watcher.watch(Watched::Received(event), wire);
            }
            // A header that is taken off belongs to what follows.
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
