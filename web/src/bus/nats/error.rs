//! The reasons for which a connection to NATS ends.

use async_nats::ServerError;
use thiserror::Error;

use super::api::ApiError;

#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("NATS closed the connection")]
    Closed,
    #[error("NATS: {0}")]
    Server(ServerError),
    #[error("too many messages of NATS wait for too long")]
    Late,
    #[error("JetStream does not answer: it is not enabled, or has no leader")]
    NoJetStream,
    #[error("the stream in JetStream was removed and created anew")]
    OtherStream,
    #[error("JetStream: {0}")]
    Api(#[from] ApiError),
}
