//! The opening handshake on a stream of HTTP/2 (RFC 8441 §5): an extended CONNECT, in which no
//! keys are exchanged.

use super::handshake::compression;
use super::{Dialect, Hybi, HybiCodec};
use crate::base64;
use crate::error::HandshakeError;
use crate::extension::{self, Agreed};
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
        let extensions =
            extensions.map(|extensions| ("sec-websocket-extensions".into(), extensions.into()));
        let subprotocol = accept.subprotocol.as_ref();
        let subprotocol =
            subprotocol.map(|name| ("sec-websocket-protocol".into(), name.as_bytes().clone()));
        StreamAnswer {
            fields: subprotocol
                .into_iter()
                .chain(extensions)
                .chain(accept.fields.iter().cloned())
                .collect(),
            codec: base64::accepted(codec, accept),
        }
    }
}
