//! A byte stream without frames, which allows a session over plain TCP.

mod framed;

use bytes::BytesMut;

pub use self::framed::Framing;
use crate::error::{EncodeError, ProtocolError};
use crate::message::{Event, Kind, Piece, WireForm};
use crate::protocol::short_frames::ShortFrames;
use crate::protocol::{Capabilities, CloseForm, Codec};
use crate::write_buf::WriteBuf;

/// The codec of a raw byte stream: received bytes become binary messages, and sent ones are written
/// unchanged. There are no message boundaries, no pings and no closing handshake.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawCodec;

impl Codec for RawCodec {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        if src.is_empty() {
            return Ok(None);
        }
        let payload = src.split().freeze();
        Ok(Some(Event::Data(Piece {
            kind: Kind::Binary,
            payload,
            end: true,
        })))
    }

    fn encode(&mut self, event: Event, dst: &mut WriteBuf) -> Result<(), EncodeError> {
        match event {
            Event::Data(piece) => dst.put(piece.payload),
            // The end of the stream is the only form of close.
            Event::Close(_) => {}
            Event::Ping(_) | Event::Pong(_) => {
                return Err(EncodeError::Unsupported {
                    event: "ping or pong",
                    protocol: "raw",
                });
            }
        }
        Ok(())
    }

    fn reads(&self) -> Option<ShortFrames> {
        Some(ShortFrames::Unframed)
    }

    fn writes(&self) -> Option<ShortFrames> {
        Some(ShortFrames::Unframed)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            binary: true,
            ping: false,
            close: CloseForm::Eof,
        }
    }

    fn wire_form(&self, _: Kind) -> Option<WireForm> {
        Some(WireForm::new("raw"))
    }
}

impl RawCodec {
    /// Returns a codec for [`Session::new`](crate::Session::new).
    pub fn boxed() -> Box<dyn Codec> {
        Box::new(Self)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn passes_bytes_as_they_are() {
        let mut src = BytesMut::from("abc");
        let piece = Piece {
            kind: Kind::Binary,
            payload: Bytes::from_static(b"abc"),
            end: true,
        };
        assert_eq!(
            RawCodec.decode(&mut src),
            Ok(Some(Event::Data(piece.clone())))
        );
        assert_eq!(RawCodec.decode(&mut src), Ok(None));
        let mut dst = WriteBuf::new();
        RawCodec.encode(Event::Data(piece), &mut dst).unwrap();
        assert_eq!(bytes::Buf::chunk(&dst), b"abc");
    }
}
