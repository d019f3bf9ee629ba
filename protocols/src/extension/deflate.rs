//! The compression state of one connection.

use bytes::Bytes;

use super::agreed::{Agreed, Form};
use super::history::History;
use super::streams::{Deflater, Inflater};
use crate::compression::Window;
use crate::error::ProtocolError;
use crate::message::WireForm;

/// RSV1, as one of the three reserved bits.
const RSV1: u8 = 0b100;

/// The compressor and the decompressor of a connection.
#[derive(Debug)]
pub(crate) struct Deflate {
    agreed: Agreed,
    /// The compressor. With context takeover it exists from the first message on, otherwise only
    /// within a message.
    deflater: Option<Box<Deflater>>,
    /// The decompressor; `None` outside of a compressed message or frame.
    inflater: Option<Box<Inflater>>,
    /// The last bytes that the peer has sent, from its first compressed message on. `None` without
    /// context takeover.
    history: Option<Box<History>>,
    /// Received bytes that are not yet inflated.
    incoming: Bytes,
    /// True if the message that is being sent is compressed.
    sending: bool,
}

/// A compressed payload.
#[derive(Debug)]
pub(crate) struct Deflated {
    pub(crate) payload: Bytes,
    /// The reserved bits of its frame.
    pub(crate) reserved: u8,
}

/// A piece of inflated data.
#[derive(Debug)]
pub(crate) struct Inflated {
    pub(crate) payload: Bytes,
    /// True if more output may follow without further input.
    pub(crate) more: bool,
}

impl Deflate {
    /// Returns the name of the extension; `x-webkit-deflate-frame` is reported without its prefix.
    pub(crate) fn name(&self) -> &'static str {
        match self.agreed.form {
            Form::Message => "permessage-deflate",
            Form::Frame => "deflate-frame",
        }
    }

    pub(crate) fn new(agreed: Agreed) -> Self {
        Self {
            agreed,
            deflater: None,
            inflater: None,
            history: None,
            incoming: Bytes::new(),
            sending: false,
        }
    }

    /// True if these reserved bits may be set in a data frame; `first` says whether it is the first
    /// frame of its message.
    pub(crate) fn allows(&self, reserved: u8, first: bool) -> bool {
        reserved == RSV1 && (first || self.agreed.form == Form::Frame)
    }

    /// True if a frame with these reserved bits is compressed; `before` says whether the previous
    /// frame of its message was.
    pub(crate) fn is_compressed(&self, reserved: u8, before: bool) -> bool {
        reserved == RSV1 || (before && self.agreed.form == Form::Message)
    }

    /// True if all input has been inflated.
    pub(crate) fn needs_input(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Passes in the next bytes of compressed frames.
    pub(crate) fn feed(&mut self, payload: Bytes) {
        self.incoming = payload;
    }

    /// Inflates a piece of the input; the arguments say whether the input ends its frame and its
    /// message.
    pub(crate) fn inflate(
        &mut self,
        frame_ends: bool,
        message_ends: bool,
    ) -> Result<Inflated, ProtocolError> {
        if self.inflater.is_none() && self.incoming.is_empty() {
            let (payload, more) = (Bytes::new(), false);
            return Ok(Inflated { payload, more });
        }
        let inflater = match &mut self.inflater {
            Some(inflater) => inflater,
            none => {
                let history = self.history.as_ref().map(|history| history.parts());
                none.insert(Box::new(Inflater::take(history.unwrap_or_default())?))
            }
        };
        let (payload, more) = inflater.inflate(&mut self.incoming)?;
        let Window {
            max_bits,
            context_takeover,
        } = self.agreed.incoming;
        if context_takeover && !payload.is_empty() {
            self.history
                .get_or_insert_with(|| Box::new(History::new(max_bits)))
                .extend(&payload);
        }
        let ends = match self.agreed.form {
            Form::Message => message_ends,
            Form::Frame => frame_ends,
        };
        if ends && !more {
            inflater.end()?;
            if let Some(inflater) = self.inflater.take() {
                inflater.give_back();
            }
        }
        Ok(Inflated { payload, more })
    }

    /// Compresses a message or a piece of one; `first` and `last` are its position in the message.
    /// `None` if it is to be sent uncompressed.
    pub(crate) fn deflate(&mut self, payload: &[u8], first: bool, last: bool) -> Option<Deflated> {
        let Agreed {
            form,
            outgoing,
            level,
            threshold,
            ..
        } = self.agreed;
        let compresses = match form {
            Form::Message if !first => self.sending,
            Form::Message => !last || payload.len() >= threshold,
            // WebKit sends an empty frame uncompressed.
            Form::Frame => payload.len() >= threshold.max(1),
        };
        self.sending = compresses;
        if !compresses {
            return None;
        }
        let deflater = self
            .deflater
            .get_or_insert_with(|| Box::new(Deflater::take(level, outgoing.max_bits)));
        let flushed = deflater.flush(payload);
        let ends = last || form == Form::Frame;
        if !ends {
            let reserved = if first { RSV1 } else { 0 };
            let payload = flushed.into();
            return Some(Deflated { payload, reserved });
        }
        let deflated = Deflater::without_tail(flushed);
        let is_whole = first || form == Form::Frame;
        if !outgoing.context_takeover {
            if let Some(deflater) = self.deflater.take() {
                deflater.give_back();
            }
            // Without context takeover, later messages cannot refer to this one, so it may be sent
            // uncompressed if that is shorter.
            if is_whole && deflated.len() >= payload.len() {
                return None;
            }
        }
        Some(Deflated {
            payload: deflated.into(),
            reserved: if is_whole { RSV1 } else { 0 },
        })
    }

    /// Returns the memory held in addition to `Self`, in bytes.
    pub(crate) fn held(&self) -> usize {
        let deflater = self.deflater.as_ref().map_or(0, |deflater| deflater.held());
        let inflater = self.inflater.as_ref().map_or(0, |_| Inflater::HELD);
        let history = self.history.as_ref().map_or(0, |history| history.held());
        [inflater, history, self.incoming.len()]
            .into_iter()
            .fold(deflater, usize::saturating_add)
    }

    /// Returns the form of whole messages; `None` if a message may refer to earlier ones.
    pub(crate) fn wire_form(&self, plain: WireForm) -> Option<WireForm> {
        let Agreed {
            outgoing,
            level,
            threshold,
            ..
        } = self.agreed;
        (!outgoing.context_takeover).then(|| plain.deflated(level, outgoing.max_bits, threshold))
    }
}
