//! The opening handshake on a stream of HTTP/2 (RFC 8441 §5): an extended CONNECT, in which no
//! keys are exchanged.

use super::{Dialect, Hybi, HybiCodec};
use crate::base64;
use crate::error::HandshakeError;
use crate::extension;
use crate::http::Head;
use crate::protocol::{
    Accept, Context, Role, StreamAnswer, StreamOpening, StreamProtocol, StreamResponder,
};

impl StreamProtocol for Hybi {
    fn open_stream(&self, head: Head, context: &Context) -> Result<StreamOpening, HandshakeError> {
        extension::parse(&head)?;
        let request = self.request(head, context)?;
        let responder = Box::new(Answer {
            dialect: self.0,
            context: *context,
        });
        Ok(StreamOpening { request, responder })
    }
}

#[derive(Debug)]
struct Answer {
    dialect: &'static Dialect,
    context: Context,
}

impl StreamResponder for Answer {
    fn respond(&mut self, accept: &Accept) -> StreamAnswer {
        let codec = HybiCodec::new(self.dialect, Role::Server, &self.context);
        let subprotocol = accept.subprotocol.as_ref();
        let subprotocol =
            subprotocol.map(|name| ("sec-websocket-protocol".into(), name.as_bytes().clone()));
        StreamAnswer {
            fields: subprotocol
                .into_iter()
                .chain(accept.fields.iter().cloned())
                .collect(),
            codec: base64::accepted(codec, accept),
        }
    }
}
