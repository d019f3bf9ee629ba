//! A message that is sent to many sessions.

use std::sync::OnceLock;

use bytes::{Buf, Bytes};

use crate::error::EncodeError;
use crate::message::{Event, Kind, Message, WireForm};
use crate::protocol::Codec;
use crate::write_buf::WriteBuf;

/// A message that is sent to many sessions. [`Session::send_shared`](super::Session::send_shared)
/// encodes it once per [`WireForm`].
#[derive(Debug)]
pub struct SharedMessage {
    message: Message,
    encodings: OnceLock<Box<Encoding>>,
}

/// The message encoded in one form, with a link to the next encoding: there are few.
#[derive(Debug)]
struct Encoding {
    form: WireForm,
    bytes: Result<Bytes, EncodeError>,
    next: OnceLock<Box<Self>>,
}

impl SharedMessage {
    /// Creates a message that is not yet encoded.
    pub fn new(message: Message) -> Self {
        Self {
            message,
            encodings: OnceLock::new(),
        }
    }

    /// Returns the message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Returns whether the message is text or binary.
    pub fn kind(&self) -> Kind {
        match self.message {
            Message::Text(_) => Kind::Text,
            Message::Binary(_) => Kind::Binary,
        }
    }

    /// Appends the message to `dst` as the codec writes it.
    pub(super) fn encode(
        &self,
        codec: &mut dyn Codec,
        dst: &mut WriteBuf,
    ) -> Result<(), EncodeError> {
        let Some(form) = codec.wire_form(self.kind()) else {
            return codec.encode(Event::Data(self.message.clone().into()), dst);
        };
        let mut place = &self.encodings;
        loop {
            let encoding =
                place.get_or_init(|| Box::new(Encoding::new(form, &self.message, codec)));
            if encoding.form == form {
                let bytes = encoding.bytes.as_ref().map_err(|error| *error)?;
                dst.put_shared(bytes);
                return Ok(());
            }
            place = &encoding.next;
        }
    }
}

impl Encoding {
    fn new(form: WireForm, message: &Message, codec: &mut dyn Codec) -> Self {
        let mut dst = WriteBuf::new();
        let encoded = codec.encode(Event::Data(message.clone().into()), &mut dst);
        Self {
            form,
            bytes: encoded.map(|()| dst.copy_to_bytes(dst.remaining())),
            next: OnceLock::new(),
        }
    }
}
