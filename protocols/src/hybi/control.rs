//! Received control frames.

use bytes::Bytes;
use bytestring::ByteString;

use super::dialect::Opcodes;
use super::{CloseBody, Content, HybiCodec};
use crate::error::ProtocolError;
use crate::message::{Close, Event};

impl HybiCodec {
    /// Checks the rules that need only the header (RFC 6455 §5.5).
    pub(super) fn check_control(
        &self,
        opcode: u8,
        len: u64,
        last: bool,
    ) -> Result<Content, ProtocolError> {
        let Opcodes {
            close,
            ping,
            pong,
            max_control,
            ..
        } = self.dialect.opcodes;
        if ![*close, *ping, *pong].contains(&opcode) {
            return Err(ProtocolError::Opcode(opcode));
        }
        if len > *max_control {
            return Err(ProtocolError::ControlTooLong(len));
        }
        if !last {
            return Err(ProtocolError::FragmentedControl);
        }
        Ok(Content::Control(opcode))
    }

    /// Turns a control frame into its event.
    pub(super) fn control(&mut self, opcode: u8, payload: Bytes) -> Result<Event, ProtocolError> {
        let opcodes = self.dialect.opcodes;
        if opcode == opcodes.ping {
            return Ok(Event::Ping(payload));
        }
        if opcode == opcodes.pong {
            return Ok(Event::Pong(payload));
        }
        let CloseBody::Code { strict } = self.dialect.close else {
            if self.dialect.close == CloseBody::Free {
                self.keep_echo(&payload);
            }
            return Ok(Event::Close(None));
        };
        let Some((bytes, reason)) = payload.split_first_chunk::<2>() else {
            let half = self.dialect.refuses_half_a_code() && !payload.is_empty();
            return if half {
                Err(ProtocolError::CloseLength)
            } else {
                Ok(Event::Close(None))
            };
        };
        let code = u16::from_be_bytes(*bytes);
        let code = self
            .dialect
            .incoming(code)
            .ok_or(ProtocolError::CloseCode(code))?;
        let reason = match ByteString::try_from(payload.slice_ref(reason)) {
            Ok(reason) => reason,
            Err(_) if strict => return Err(ProtocolError::Utf8),
            Err(_) => ByteString::new(),
        };
        self.keep_echo(bytes);
        Ok(Event::Close(Some(Close { code, reason })))
    }
}
