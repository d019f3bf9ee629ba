//! The reasons for which a connection to NATS ends.

use async_nats::ServerError;
use thiserror::Error;

use super::api::ApiError;

#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("NATS has closed the connection")]
    Closed,
    #[error("NATS: {0}")]
    Server(ServerError),
    #[error("messages of NATS wait for too long, and too many of them")]
    Late,
    #[error("JetStream does not answer: there is none, or it has no leader")]
    NoJetStream,
    #[error("the stream in JetStream was removed, and there is another one")]
    OtherStream,
    #[error("JetStream: {0}")]
    Api(#[from] ApiError),
}
