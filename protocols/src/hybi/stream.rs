//! The opening handshake on a stream of HTTP/2 (RFC 8441 §5): an extended CONNECT, in which no
//! keys are exchanged.

use super::handshake::compression;
use super::{Dialect, Hybi, HybiCodec};
use crate::base64;
use crate::error::HandshakeError;
use crate::extension::{self, Agreed};
use crate::fields::Fields;
use crate::http::Head;
use crate::protocol::{
    Accept, Context, Role, StreamAnswer, StreamOpening, StreamProtocol, StreamResponder,
};

impl StreamProtocol for Hybi {
    fn open_stream(
        &'static self,
        head: Head,
        context: &Context,
    ) -> Result<StreamOpening, HandshakeError> {
        let compression = extension::choose(&head, compression(self.0, context))?;
        let request = self.request(head, context)?;
        let responder = Box::new(Answer {
            dialect: self.0,
            context: *context,
            compression,
        });
        Ok(StreamOpening { request, responder })
    }
}

#[derive(Debug)]
struct Answer {
    dialect: &'static Dialect,
    context: Context,
    /// What is agreed on, and the words for it.
    compression: Option<(Agreed, String)>,
}

impl StreamResponder for Answer {
    fn respond(&mut self, accept: &Accept) -> StreamAnswer {
        let (agreed, extensions) = self.compression.take().unzip();
        let codec = HybiCodec::new(self.dialect, Role::Server, &self.context);
        let codec = codec.with_compression(agreed);
        let mut fields = Fields::new();
        if let Some(name) = &accept.subprotocol {
            fields.append("sec-websocket-protocol", name.as_bytes().clone());
        }
        if let Some(extensions) = extensions {
            fields.append("sec-websocket-extensions", extensions);
        }
        fields.extend(accept.fields.clone());
        StreamAnswer {
            fields,
            codec: base64::accepted(codec, accept),
        }
    }
}
