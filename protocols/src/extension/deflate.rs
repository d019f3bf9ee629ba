//! Compression on one connection.

use bytes::Bytes;

use super::agreed::{Agreed, Form};
use super::history::History;
use super::streams::{Deflater, Inflater};
use crate::compression::Window;
use crate::error::ProtocolError;
use crate::message::WireForm;

/// RSV1, as one of the three reserved bits.
const RSV1: u8 = 0b100;

/// Compresses what goes out and inflates what comes in.
#[derive(Debug)]
pub(crate) struct Deflate {
    agreed: Agreed,
    /// There is one in the midst of a message, and from the first on where the context is taken
    /// over.
    deflater: Option<Box<Deflater>>,
    /// There is one in the midst of a message.
    inflater: Option<Box<Inflater>>,
    /// What the peer has sent before, from its first compressed message on, where it may refer to
    /// that.
    history: Option<Box<History>>,
    /// What has come and is not inflated yet.
    incoming: Bytes,
    /// Whether the message that is being sent is compressed.
    sending: bool,
}

/// What is sent instead of a payload.
#[derive(Debug)]
pub(crate) struct Deflated {
    pub(crate) payload: Bytes,
    /// The reserved bits of its frame.
    pub(crate) reserved: u8,
}

/// What has come of compressed bytes.
#[derive(Debug)]
pub(crate) struct Inflated {
    pub(crate) payload: Bytes,
    /// Whether there may be more without more being fed.
    pub(crate) more: bool,
}

impl Deflate {
    /// The name of the extension: for `x-webkit-deflate-frame` too the one it has without that.
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

    /// Whether these reserved bits may be set in a frame of data, the first of its message or a
    /// later one.
    pub(crate) fn allows(&self, reserved: u8, first: bool) -> bool {
        reserved == RSV1 && (first || self.agreed.form == Form::Frame)
    }

    /// Whether a frame is compressed that has bits set or not, in a message whose frame before was
    /// or was not.
    pub(crate) fn is_compressed(&self, reserved: u8, before: bool) -> bool {
        reserved == RSV1 || (before && self.agreed.form == Form::Message)
    }

    /// Whether all that was fed has been taken.
    pub(crate) fn is_hungry(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Gives the next bytes of compressed frames.
    pub(crate) fn feed(&mut self, payload: Bytes) {
        self.incoming = payload;
    }

    /// Inflates a piece of what was fed; says whether that is the end of its frame, and of its
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

    /// Compresses a message or a piece of one: its first or a later one, its last or not. `None`
    /// where it is better sent as it is.
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
            // WebKit sends an empty frame as it is.
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
            // Nothing will refer to it, so it can be left out.
            if is_whole && deflated.len() >= payload.len() {
                return None;
            }
        }
        Some(Deflated {
            payload: deflated.into(),
            reserved: if is_whole { RSV1 } else { 0 },
        })
    }

    /// How many bytes of memory it holds, beside itself.
    pub(crate) fn held(&self) -> usize {
        let deflater = self.deflater.as_ref().map_or(0, |deflater| deflater.held());
        let inflater = self.inflater.as_ref().map_or(0, |_| Inflater::HELD);
        let history = self.history.as_ref().map_or(0, |history| history.held());
        [inflater, history, self.incoming.len()]
            .into_iter()
            .fold(deflater, usize::saturating_add)
    }

    /// The form of whole messages; `None` where one may refer to those before it.
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
